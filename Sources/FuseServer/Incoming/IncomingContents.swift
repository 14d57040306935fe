import Archive
import Glibc
import System

/// All that is remembered of `/incoming`: its tree, what is under way with each file, and which of
/// them threads work on. It is reached under ``IncomingLock`` only, and nothing in here makes a
/// system call.
struct IncomingContents {
    /// Learns how an attempt to archive a file has ended.
    typealias Completion = @Sendable (Result<Void, Errno>) -> Void

    var tree: DirectoryTree
    var reservations = Reservations()
    /// Files that are open, or are not settled yet, by their numbers in the tree.
    private(set) var files: [UInt64: IncomingFile] = [:]
    /// Those who closed a file while it was on its way, by the number of the attempt.
    private var waiters: [UInt64: [Completion]] = [:]
    private var lastAttempt: UInt64 = 0
    /// What was moved here from `/rejected`: its path there, and when, monotonic ns. The reasons
    /// beside these files are obsolete.
    var obsoleteReasons: [(path: [UInt8], time: Int64)] = []
    /// Whether files that are met for the first time are those that an earlier run left.
    var isAddingLeftovers = false
    /// Whether that is left to the next start.
    var stopsAddingLeftovers = false
    /// Whether another tree is shown by now: nothing new is made here.
    var isRetired = false
    /// Descriptors that nobody needs any more; they are closed after the lock was given back.
    private var discarded: [SharedDescriptor] = []

    init(tree: DirectoryTree) { self.tree = tree }

    /// Hands out what is to be closed.
    mutating func takeDiscarded() -> [SharedDescriptor] {
        defer { discarded = [] }
        return discarded
    }

    // MARK: Files

    /// Begins to remember a file of the tree.
    mutating func add(_ file: IncomingFile, as number: UInt64) {
        files[number] = file
        tree.update(number) { $0.isNeeded = true }
    }

    /// Changes a file.
    ///
    /// - Throws: `ESTALE` when it is not remembered, or what `change` throws.
    mutating func update<R>(
        _ number: UInt64, _ change: (inout IncomingFile) throws(Errno) -> R
    ) throws(Errno) -> R {
        guard let index = files.index(forKey: number) else { throw Errno(ESTALE) }
        return try change(&files.values[index])
    }

    /// Notes that something happens at a node, for what waits until all is quiet.
    mutating func touch(_ number: UInt64, now: Int64) {
        tree.update(number) { $0.lastUse = now }
    }

    /// Forgets a file that is not open, and has no name or is not ours.
    mutating func dropIfIdle(_ number: UInt64) {
        if let file = files[number], let node = try? tree.node(number) {
            guard file.handles == 0, !reservations.areWanted(of: number),
                node.isRemoved || !file.isOurs
            else { return }
            discard(file.descriptor)
            files[number] = nil
            tree.update(number) { $0.isNeeded = false }
        }
        tree.forget(number, count: 0)
    }

    mutating func discard(_ descriptor: SharedDescriptor?) {
        if let descriptor { discarded.append(descriptor) }
    }

    // MARK: Names

    /// The node at a place where the disk has something; a new one when it is met for the first
    /// time, or has been replaced by another file.
    mutating func meet(_ place: DirectoryTree.Place, _ status: stat, now: Int64) -> UInt64 {
        let inode = UInt64(status.st_ino)
        if let known = tree.child(place) {
            if (try? tree.node(known))?.inode == inode { return known }
            remove(known)
        }
        return tree.add(
            place, inode: inode, isDirectory: status.st_mode & S_IFMT == S_IFDIR, now: now)
    }

    /// A name has gone from the disk, with all that was below it.
    mutating func remove(_ number: UInt64) {
        for number in tree.remove(number) { dropIfIdle(number) }
    }

    /// A name has become another one, in place of what had that.
    mutating func move(_ number: UInt64, to place: DirectoryTree.Place) {
        if let replaced = tree.child(place), replaced != number { remove(replaced) }
        tree.move(number, to: place)
    }

    /// A file of a directory was archived or set aside: it goes too when it is empty.
    mutating func clearWhenQuiet(_ directory: UInt64) {
        guard directory != tree.root else { return }
        tree.update(directory) { $0.clearing = .whenQuiet }
    }

    // MARK: Attempts

    mutating func nextAttempt() -> UInt64 {
        lastAttempt += 1
        return lastAttempt
    }

    /// Has somebody answered when an attempt that is under way has ended.
    mutating func wait(for attempt: UInt64, _ completion: @escaping Completion) {
        waiters[attempt, default: []].append(completion)
    }

    /// The archive has answered an attempt.
    ///
    /// - Returns: Those who wait for that.
    mutating func endArchiving(
        _ attempt: UInt64, of number: UInt64, _ result: Result<IngestOutcome, ArchiveError>,
        isOwn: Bool, now: Int64
    ) -> [Completion] {
        let isCurrent = try? update(number) { (file) in
            file.endArchiving(attempt, result, isOwn: isOwn)
        }
        if isCurrent == true {
            // What an earlier run left has been quiet long enough. Its inode may be the archive's,
            // so that its writer could not even write it once more.
            let isSettled = (try? result.get()) != nil && files[number]?.isLeftover == true
            touch(number, now: isSettled ? 0 : now)
        }
        return waiters.removeValue(forKey: attempt) ?? []
    }

    /// How many files are to be archived or set aside.
    var pending: Int { files.values.count(where: \.isPending) }
}
