import Archive
import Glibc
import Storage
import System

/// Clears `/incoming`: what has been archived goes some seconds after it was last used, so that
/// rsync can still rename it, tar set its times and Samba open it again; what is no DICOM image
/// is set aside; what failed is tried again.
///
/// One thread decides what is due; a few others do it, so that a file whose disk does not answer
/// delays no other. Some of them never set files aside: that takes syncs, and one user may leave
/// thousands of files that are none.
final class Settling: Sendable {
    /// What is shown as `/incoming` now. Asked once for each look, and never with the lock of a
    /// tree held: another thread that puts a tree in its place may wait for that.
    private let current: @Sendable () -> IncomingTree
    private let loop = BackgroundLoop("settle", clock: SystemClock())
    private let threads = ThreadGroup()
    /// What takes long, and the rest.
    private let (slow, quick) = (
        BlockingQueue<@Sendable () -> Void>(), BlockingQueue<@Sendable () -> Void>()
    )
    /// Nodes with a step that has not been done.
    private let busy = Lock<Set<UInt64>>([])
    private let emptyFactor: Int64
    private static let workers = 6

    /// - Parameter emptyFactor: So many times longer than others a folder stays that never had a
    ///   file: whoever made it may take time.
    init(emptyFactor: Int64 = 60, _ tree: @escaping @Sendable () -> IncomingTree) {
        self.emptyFactor = emptyFactor
        current = tree
    }

    /// Starts the threads. To be called once; if the system has no room for them, the process ends.
    func start() {
        for number in 1...Self.workers {
            threads.start("settle \(number)") { [steps = number > 2 ? slow : quick] in
                while let step = steps.take() { step() }
            }
        }
        do {
            try loop.start(first: .after(pause)) { [self] in
                look(at: current(), settle: Int64(settle * 1_000_000_000))
                return .after(pause)
            }
        } catch {
            fatalError("cannot start the thread \"settle\": \(error)")
        }
    }

    /// The configured seconds; they may be changed at any time.
    private var settle: Double { current().archive.settings.settle }

    /// Nanoseconds between two looks.
    private var pause: Int64 { Int64(max(min(settle / 4, 1), 0.05) * 1_000_000_000) }

    /// Ends the threads after what is under way, and waits for that.
    func stop() {
        loop.stopAndWait()
        tidyRejected(of: current(), settle: 0)
        slow.close()
        quick.close()
        threads.wait(for: "settle")
    }

    /// How many files are to be archived or set aside.
    var pending: Int { current().pending }

    /// Hands out everything that is due.
    ///
    /// - Parameter settle: How long a file must have been quiet, ns.
    private func look(at tree: IncomingTree, settle: Int64) {
        let pace = IncomingContents.Pace(
            now: tree.clock.now, settle: settle, empty: emptyFactor * settle)
        let settings = tree.archive.settings
        for step in tree.locked({ $0.due(pace, settings) }) {
            guard busy.withLock({ $0.insert(step.node).inserted }) else { continue }
            let done: @Sendable () -> Void = { [self] in
                // What is not begun when pacsfs ends is done after the next start.
                if !loop.isStopping { tree.onDisk { tree.perform(step, pace) } }
                busy.withLock { _ = $0.remove(step.node) }
            }
            let steps = if case .setAside = step { slow } else { quick }
            if !steps.put(done) { busy.withLock { _ = $0.remove(step.node) } }
        }
        tidyRejected(of: tree, settle: settle)
    }

    /// Removes the reasons of what was moved from `/rejected` some time ago: until then
    /// `mv rejected/…/* incoming` may still come to them.
    private func tidyRejected(of tree: IncomingTree, settle: Int64) {
        let now = tree.clock.now
        let due = tree.locked { contents in
            let due = contents.obsoleteReasons.filter { now - $0.time >= settle }
            contents.obsoleteReasons.removeAll { now - $0.time >= settle }
            return due.map(\.path)
        }
        guard !due.isEmpty else { return }
        _ = quick.put { tree.onDisk { tree.archive.removeObsoleteReasons(due, on: tree.staging) } }
    }
}

extension IncomingContents {
    /// What is quiet enough, ns.
    struct Pace: Sendable {
        var now: Int64
        /// How long a file must have been unused.
        var settle: Int64
        /// How long a folder that never had a file must have been unused.
        var empty: Int64
    }

    /// Something that is due.
    enum Step: Sendable {
        /// The name of a file goes from `/incoming`.
        case clear(UInt64)
        case setAside(UInt64, reason: String)
        case archive(UInt64)
        /// Folders go, if they are empty: each before the one that it is in. All are below `top`,
        /// which lies in the root, or are it.
        case clearFolders([UInt64], top: UInt64)

        var node: UInt64 {
            switch self {
            case .clear(let number), .setAside(let number, _), .archive(let number): number
            case .clearFolders(_, let top): top
            }
        }
    }

    /// At most so many files are on their way into the archive when more follow: each is open.
    private static let mostUnderWay = 512

    /// Everything that is due. Takes time in proportion to the number of files and folders.
    ///
    /// Folders go when their files have gone and nothing happens any more below the topmost of
    /// them: rsync and tar set the times of directories at the very end.
    func due(_ pace: Pace, _ settings: Settings) -> [Step] {
        var steps: [Step] = []
        var underWay = files.values.count(where: \.isUnderWay)
        var folders: [DirectoryTree.Node] = []
        var (isBusy, lastUse) = (false, Int64.min)
        tree.forEachUpwards { node, depth in
            lastUse = max(lastUse, node.lastUse)
            if node.isDirectory {
                if node.uses > 0 { isBusy = true }
                if node.clearing != .never { folders.append(node) }
            } else if let file = files[node.number] {
                let isTurnTaken = reservations.isTurnTaken(of: node.number)
                switch isTurnTaken ? .busy : step(of: file, node, pace, settings) {
                case .busy: isBusy = true
                case .none: break
                case .due(.archive) where underWay >= Self.mostUnderWay: break
                case .due(let step):
                    if case .archive = step { underWay += 1 }
                    steps.append(step)
                }
            }
            guard depth == 1 else { return }
            // The walk has come to the end of what is below one name of the root.
            let quiet = isBusy ? -1 : pace.now - max(lastUse, node.lastUse)
            let due = folders.filter {
                quiet >= ($0.clearing == .whenQuiet ? pace.settle : pace.empty)
            }
            if !due.isEmpty { steps.append(.clearFolders(due.map(\.number), top: node.number)) }
            (folders, isBusy, lastUse) = ([], false, .min)
        }
        return steps
    }

    private enum Verdict {
        /// Nothing around it settles.
        case busy
        /// It stays for now.
        case none
        case due(Step)
    }

    private func step(
        of file: IncomingFile, _ node: DirectoryTree.Node, _ pace: Pace, _ settings: Settings
    ) -> Verdict {
        let (number, unused) = (node.number, pace.now - node.lastUse)
        guard file.isOurs else { return .none }
        guard file.handles == 0, unused >= pace.settle else { return .busy }
        switch file.state {
        case .foreign: return .none
        case .archiving, .settingAside: return .busy
        case .archived, .consumed: return .due(.clear(number))
        case .refused(let reason): return .due(.setAside(number, reason: reason))
        case .failed(let error, let failures):
            guard unused >= failures.pause else { return .none }
            return .due(
                failures.isLasting
                    ? .setAside(number, reason: IncomingDecision.failsAgain(error))
                    : .archive(number))
        case .writing, .whole:
            var facts = file.facts(path: tree.path(of: number), settings)
            if facts.isTemporary, unused >= IncomingDecision.patience { facts.ending = .abandoned }
            switch IncomingDecision(facts) {
            case .wait: return .none
            // It is submitted for a look at its content.
            case .discard: return .due(file.isImage == nil ? .archive(number) : .clear(number))
            case .archive: return .due(.archive(number))
            case .setAside(let reason): return .due(.setAside(number, reason: reason))
            }
        }
    }

    /// Whether a step that was due is still due.
    fileprivate func isDue(_ number: UInt64, _ pace: Pace, _ settings: Settings) -> Bool {
        guard let file = files[number], let node = try? tree.node(number), !node.isRemoved else {
            return false
        }
        if case .due = step(of: file, node, pace, settings) { return true }
        return false
    }
}

extension IncomingTree {
    /// Calls `body` on a thread that may be lost, and waits until it has returned or the disk was
    /// given up.
    fileprivate func onDisk(_ body: @escaping @Sendable () -> Void) {
        try? staging.onDisk(body)
    }

    /// Does something that is due, unless it is used again meanwhile; waits for disks.
    fileprivate func perform(_ step: IncomingContents.Step, _ pace: IncomingContents.Pace) {
        switch step {
        case .archive(let number):
            locked { $0.touch(number, now: clock.now) }
            archiveInBackground(number)
        case .clear(let number):
            try? withIdleTurn(of: number, pace) { () throws(Errno) in try clear(number) }
        case .setAside(let number, let reason):
            try? setAside(number, reason, pace)
        case .clearFolders(let numbers, _):
            for number in numbers { try? clearFolder(number) }
        }
    }

    /// Calls `body` with the turn of a file that nobody uses; not at all when somebody does.
    private func withIdleTurn(
        of number: UInt64, _ pace: IncomingContents.Pace, _ body: () throws(Errno) -> Void
    ) throws(Errno) {
        let settings = archive.settings
        guard lock.takeFreeTurn(of: number, if: { $0.isDue(number, pace, settings) }) else {
            return
        }
        defer { lock.endTurn(of: number) }
        try body()
    }

    /// Takes the name of a file away, unless it means another file by now. The thread has the turn
    /// of the file, and nobody has it open: nobody can open it until the turn ends.
    private func clear(_ number: UInt64) throws(Errno) {
        guard let place = locked({ $0.tree.place(of: number) }) else { return }
        try reserving([place]) { (folders) throws(Errno) in
            let node = try locked { (contents) throws(Errno) -> DirectoryTree.Node? in
                guard contents.tree.place(of: number) == place, contents.files[number]?.handles == 0
                else { return nil }
                return try contents.tree.node(number)
            }
            guard let node else { return }
            let status = try? folders[0].status(of: place.name)
            if let status, UInt64(status.st_ino) == node.inode {
                try systemCall { place.name.withCString { unlinkat(folders[0].descriptor, $0, 0) } }
            }
            locked { contents in
                contents.remove(number)
                contents.clearWhenQuiet(place.directory)
            }
        }
    }

    private func setAside(
        _ number: UInt64, _ reason: String, _ pace: IncomingContents.Pace
    ) throws(Errno) {
        var request: RejectRequest?
        let attempt = locked { $0.nextAttempt() }
        try withIdleTurn(of: number, pace) { () throws(Errno) in
            let descriptor = try openOnDisk(number, flags: O_RDONLY)
            request = try locked { (contents) throws(Errno) -> RejectRequest? in
                guard try contents.update(number, { $0.beginSettingAside(attempt, reason) }) else {
                    return nil
                }
                return RejectRequest(
                    file: IngestFile(descriptor.number, owner: descriptor, on: staging),
                    source: .incoming(contents.tree.path(of: number)), reason: reason,
                    access: (contents.files[number]?.shown).map { FileAccess($0) })
            }
        }
        guard let request else { return }
        let succeeded = (try? archive.reject(request)) != nil
        try withTurn(of: number) { () throws(Errno) in
            // Somebody may have gone on with it meanwhile; then it is looked at again.
            let goes = try locked { (contents) throws(Errno) in
                if !succeeded { contents.touch(number, now: clock.now) }
                return try contents.update(number) { file in
                    file.endSettingAside(attempt, succeeded: succeeded)
                }
            }
            if goes { try clear(number) }
        }
    }

    private func clearFolder(_ number: UInt64) throws(Errno) {
        guard let place = locked({ $0.tree.place(of: number) }) else { return }
        try reserving([place]) { (folders) throws(Errno) in
            let isEmpty = try locked { (contents) throws(Errno) in
                let node = try contents.tree.node(number)
                guard contents.tree.place(of: number) == place, node.children.isEmpty,
                    node.uses == 0, node.clearing != .never
                else { return false }
                contents.reservations.beginMove(of: number, in: &contents.tree)
                return true
            }
            guard isEmpty else { return }
            defer { lock.endMove(of: number) }
            let result = place.name.withCString {
                unlinkat(folders[0].descriptor, $0, AT_REMOVEDIR)
            }
            guard result == 0 || errno == ENOENT else {
                // It has something that is not known here: it is not tried again at once.
                locked { $0.touch(number, now: clock.now) }
                return
            }
            locked { contents in
                contents.remove(number)
                contents.clearWhenQuiet(place.directory)
            }
        }
    }
}
