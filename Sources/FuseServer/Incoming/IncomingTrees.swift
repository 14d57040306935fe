import Archive
import System

/// The trees that are shown as `/incoming` and `/rejected`. They are of one volume, and those of
/// another take their place when it goes; what programs have open stays open.
final class IncomingTrees: IncomingOwner {
    private struct Shown {
        var incoming: IncomingTree
        var rejected: RejectedTree
        /// Of volumes that went; kept by the programs that have a file of them open.
        var former: [Former] = []
    }

    private struct Former {
        weak var incoming: IncomingTree?
        weak var rejected: RejectedTree?
    }

    private let archive: Archive
    private let permissions: Permissions
    private let shares: UserShares
    private let shown: Lock<Shown>
    /// Held while other trees are made, by those who need them.
    private let following = Monitor(false)

    init(archive: Archive, permissions: Permissions, shares: UserShares) {
        self.archive = archive
        self.permissions = permissions
        self.shares = shares
        let staging = archive.staging
        shown = Lock(
            Shown(
                incoming: IncomingTree(
                    staging: staging, root: FixedEntry.incoming.number, archive: archive,
                    permissions: permissions, shares: shares),
                rejected: RejectedTree(
                    staging: staging, root: FixedEntry.rejected.number, permissions: permissions)))
        Self.addLeftovers(of: incoming)
    }

    /// Adds what lies there on a thread of its own: nobody waits for that.
    private static func addLeftovers(of tree: IncomingTree) {
        tree.beginAddingLeftovers()
        tree.renames.start(on: nil) { tree.addLeftovers() }
    }

    var incoming: IncomingTree { shown.withLock { $0.incoming } }

    var rejected: RejectedTree { shown.withLock { $0.rejected } }

    /// The tree of `/incoming` that has a number.
    func incoming(with number: UInt64) -> IncomingTree {
        let (current, former) = shown.withLock { ($0.incoming, $0.former.compactMap(\.incoming)) }
        if former.isEmpty || current.has(number) { return current }
        return former.first { $0.has(number) } ?? current
    }

    /// The tree of `/rejected` that has a number.
    func rejected(with number: UInt64) -> RejectedTree {
        let (current, former) = shown.withLock { ($0.rejected, $0.former.compactMap(\.rejected)) }
        if former.isEmpty || current.has(number) { return current }
        return former.first { $0.has(number) } ?? current
    }

    /// Shows the trees of another volume when the one they were of has gone. When this returns,
    /// nothing new is made on that one.
    func follow() {
        // Only those wait for the disk who need the other trees.
        following.wait { isFollowing -> Void? in
            if isFollowing { return nil }
            isFollowing = true
            return ()
        }
        DiskWork.keptFree { showStaging() }
        following.withLock(waking: .all) { $0 = false }
    }

    /// The same, on a thread of its own: for those who must not wait for a disk.
    func followSoon() { incoming.renames.start(on: nil) { [self] in follow() } }

    private func showStaging() {
        let staging = archive.staging
        let (incoming, rejected) = shown.withLock { ($0.incoming, $0.rejected) }
        if incoming.staging.isSame(as: staging) { return }
        let new = try? staging.onDisk { [archive, permissions, shares] in
            (
                IncomingTree(
                    staging: staging, root: FixedEntry.incoming.number, archive: archive,
                    permissions: permissions, shares: shares, predecessor: incoming),
                RejectedTree(
                    staging: staging, root: FixedEntry.rejected.number, permissions: permissions,
                    predecessor: rejected)
            )
        }
        guard let (newIncoming, newRejected) = new else { return }
        Self.addLeftovers(of: newIncoming)
        shown.withLock { shown in
            shown.former =
                shown.former.filter { $0.incoming != nil || $0.rejected != nil }
                + [Former(incoming: incoming, rejected: rejected)]
            (shown.incoming, shown.rejected) = (newIncoming, newRejected)
        }
    }

    // MARK: IncomingOwner

    func movedStaging() { follow() }

    /// Not to be called with the lock of a tree held.
    func isInUse(incoming inode: UInt64, on staging: StagingArea) -> Bool {
        let all = shown.withLock { [$0.incoming] + $0.former.compactMap(\.incoming) }
        return all.contains { $0.staging.isSame(as: staging) && $0.isInUse(inode: inode) }
    }

    func inodesNotWaiting(on staging: StagingArea) -> Set<UInt64> {
        let all = shown.withLock { [$0.incoming] + $0.former.compactMap(\.incoming) }
        return all.filter { $0.staging.isSame(as: staging) }.reduce(into: []) {
            $0.formUnion($1.inodesNotWaiting)
        }
    }

    func inodesToBeArchived(on staging: StagingArea) -> Set<UInt64>? {
        let all = shown.withLock { [$0.incoming] + $0.former.compactMap(\.incoming) }
        var inodes: Set<UInt64> = []
        for tree in all where tree.staging.isSame(as: staging) {
            guard let found = tree.inodesToBeArchived else { return nil }
            inodes.formUnion(found)
        }
        return inodes
    }

    func tookOver(incoming path: [UInt8]) { incoming.addLeftover(path) }
}
