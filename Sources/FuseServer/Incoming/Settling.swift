import Archive
import Dispatch
import Glibc
import System

/// Clears `/incoming`: what has been archived goes some seconds after it was last touched,
/// so that rsync can still rename it, tar set its times and Samba open it again; what is no
/// DICOM is set aside; what failed is tried again.
final class Settling: Sendable {
    /// What is shown as `/incoming` now. Asked once for each look, and never with the lock of a
    /// tree held: whoever puts another tree in its place holds his own and waits for that one.
    private let current: @Sendable () -> BackedTree
    private let isStopped = Lock(false)
    /// Signalled by ``stop()``: whoever unmounts does not wait for the next look.
    private let stopping = DispatchSemaphore(value: 0)
    /// So many files at most are on their way into the archive when more are sent: each is open.
    private static let mostUnderWay = 512
    /// After which a temporary name is taken for abandoned, ns.
    private static let abandoned: Int64 = 86_400_000_000_000
    private let patience: Int64

    /// - parameter patience: so many times as long as others a folder stays that never had a file:
    ///   whoever made it may take his time
    init(patience: Int64 = 60, _ tree: @escaping @Sendable () -> BackedTree) {
        self.patience = patience
        current = tree
    }

    /// Runs until ``stop()``; on a thread of its own.
    func run() {
        while !isStopped.withLock({ $0 }) {
            // It may be changed at any time.
            let settle = current().archive.settings.settle
            _ = stopping.wait(timeout: .now() + max(min(settle / 4, 1), 0.05))
            pass(over: current(), settle: Int64(settle * 1_000_000_000))
            tidyRejected(current(), settle: Int64(settle * 1_000_000_000))
        }
        tidyRejected(current(), settle: 0)
    }

    /// Removes the reasons of what was moved from `/rejected` some time ago: until then
    /// `mv rejected/…/* incoming` may still come to them.
    private func tidyRejected(_ tree: BackedTree, settle: Int64) {
        let now = monotonicNow()
        let served = tree.locked {
            let due = tree.servedReasons.filter { now - $0.time >= settle }
            tree.servedReasons.removeAll { now - $0.time >= settle }
            return due.map(\.path)
        }
        if !served.isEmpty { tree.archive.removeServedReasons(served, on: tree.staging) }
    }

    func stop() {
        isStopped.withLock { $0 = true }
        stopping.signal()
    }

    private enum Step {
        case submit(Submission)
        case reject(UInt64, RejectRequest)
    }

    /// One look at everything that waits.
    ///
    /// - parameter settle: how long a file must have been quiet, ns
    private func pass(over tree: BackedTree, settle: Int64) {
        let now = monotonicNow()
        let steps: [Step] = tree.locked {
            var steps: [Step] = []
            var busy: Set<ObjectIdentifier> = []
            var underWay = tree.unsettled.values.count { $0.file?.isUnderWay ?? false }
            /// - returns: false when there is nothing to send
            func submit(_ node: BackedNode) -> Bool {
                guard underWay < Self.mostUnderWay else { return true }
                guard let next = (try? tree.submission(of: node)) ?? nil else { return false }
                underWay += 1
                steps.append(.submit(next))
                return true
            }
            func append(_ step: Step?) { if let step { steps.append(step) } }
            for node in Array(tree.unsettled.values) {
                guard let file = node.file else { continue }
                let (handles, lastUse, status, isChanged, failures) = file.state.withLock {
                    ($0.handles, $0.lastUse, $0.status, $0.isChanged, $0.failures)
                }
                guard handles == 0, now - lastUse >= settle else {
                    busy.insert(ObjectIdentifier(node.top))
                    continue
                }
                switch status {
                case .archiving: busy.insert(ObjectIdentifier(node.top))
                case .archived, .served: clear(node, in: tree)
                case .refused(let reason): append(reject(node, file, reason, in: tree))
                case .failed(let error):
                    guard now - lastUse >= failures.pause else { continue }
                    file.state.withLock { $0.lastUse = now }
                    if failures.isLasting {
                        append(reject(node, file, Self.lasting(error), in: tree))
                    } else {
                        _ = submit(node)
                    }
                case .new where tree.archive.settings.ignores(node.name):
                    clear(node, in: tree)
                case .new where node.isTemporary:
                    guard now - lastUse >= Self.abandoned else { continue }
                    append(
                        reject(
                            node, file,
                            "It was written under the temporary name of a copy that never finished. Copy the original again.",
                            in: tree))
                case .new:
                    if isChanged, submit(node) { continue }
                    if let status = try? tree.attributes(of: node), status.st_size == 0 {
                        append(
                            reject(
                                node, file, "It is empty (0 bytes). Copy the original again.",
                                in: tree))
                    }
                }
            }
            vanish(in: tree, now: now, settle: settle, busy: busy)
            return steps
        }
        for step in steps {
            switch step {
            case .submit(let submission): submission.run(replyingTo: nil)
            case .reject(let number, let request): reject(number, request, in: tree)
            }
        }
    }

    private static func lasting(_ error: ArchiveError) -> String {
        "This is a zip archive that could not be unpacked, time and again. \(error) If you have mended that, move it back into incoming; otherwise unpack it yourself and copy the images."
    }

    private func reject(
        _ node: BackedNode, _ file: BackedFile, _ reason: String, in tree: BackedTree
    ) -> Step? {
        guard let descriptor = try? SharedDescriptor(at: tree.directory, node.path, flags: O_RDONLY)
        else { return nil }
        file.state.withLock { state in
            state.status = .archiving
            state.isChanged = false
        }
        let path = String(decoding: node.path, as: UTF8.self)
        return .reject(
            node.number,
            RejectRequest(
                file: IngestFile(descriptor.number, owner: descriptor), source: "incoming/\(path)",
                path: path,
                reason: reason))
    }

    /// Outside the lock: it waits for disks.
    private func reject(_ number: UInt64, _ request: RejectRequest, in tree: BackedTree) {
        do {
            try tree.archive.reject(request)
            tree.locked {
                guard let node = try? tree.node(number), let file = node.file else { return }
                // Somebody may have gone on with it meanwhile; then it is looked at again.
                let isAsItWas = file.state.withLock { state in
                    guard case .archiving = state.status else { return false }
                    if state.handles == 0, !state.isChanged { return true }
                    state.status = .refused(request.reason)
                    return false
                }
                if isAsItWas { clear(node, in: tree) }
            }
        } catch {
            tree.locked {
                guard let node = try? tree.node(number) else { return }
                node.file?.state.withLock { state in
                    guard case .archiving = state.status else { return }
                    state.status = .refused(request.reason)
                    state.lastUse = monotonicNow()
                }
            }
        }
    }

    /// Takes the name out of `/incoming`, unless it means another file by now.
    private func clear(_ node: BackedNode, in tree: BackedTree) {
        var status = stat()
        let path = node.path
        let found =
            path.withCString { fstatat(tree.directory, $0, &status, AT_SYMLINK_NOFOLLOW) } == 0
        if found, UInt64(status.st_ino) == node.backingInode {
            _ = path.withCString { unlinkat(tree.directory, $0, 0) }
        }
        hadFiles(node.parent, in: tree)
        tree.remove(node)
    }

    private func hadFiles(_ directory: BackedNode?, in tree: BackedTree) {
        guard let directory, directory !== tree.root else { return }
        directory.hadFiles = true
        tree.vanishing[directory.number] = directory
    }

    /// Removes directories whose files have gone, once nothing happens any more below the
    /// topmost of them: rsync and tar set the times of directories at the very end.
    private func vanish(in tree: BackedTree, now: Int64, settle: Int64, busy: Set<ObjectIdentifier>)
    {
        var again = true
        while again {
            again = false
            for node in Array(tree.vanishing.values) {
                let top = node.top
                let quiet = node.hadFiles ? settle : patience * settle
                guard !busy.contains(ObjectIdentifier(top)), now - top.lastUse >= quiet,
                    node.openings == 0
                else { continue }
                let result = node.path.withCString { unlinkat(tree.directory, $0, AT_REMOVEDIR) }
                if result != 0, errno != ENOENT { continue }
                hadFiles(node.parent, in: tree)
                tree.remove(node)
                again = true
            }
        }
    }

    /// How many files wait to be archived or set aside.
    var pending: Int {
        let tree = current()
        return tree.locked {
            tree.unsettled.values.count { node in
                node.file?.state.withLock { state in
                    switch state.status {
                    case .archived, .served: false
                    default: true
                    }
                } ?? false
            }
        }
    }
}
