import Archive
import CFuse3
import System
import TagIndex

/// Tells the kernel which of what it has cached of the views is outdated, from a thread of its own
/// that holds no lock and does nothing else.
///
/// The kernel takes the lock of an inode for that, which it also holds during some requests about
/// the inode. Only inodes of views are named here, and none of their requests waits for this
/// thread: requests about `/incoming` do (see Completions).
final class Invalidator: ViewObserver {
    private enum Change: Sendable {
        /// Directories with new entries (`node.id`; 0 for the root).
        case nodes(Set<Int64>)
        /// Images (`instance.id`) whose blob is another file now.
        case replaced([Int64])
        /// The views were set anew: names at the root that are something else now.
        case gone([String])
        /// Images that have another number of names now.
        case renumbered(Range<Int64>)
        /// The ordinal of a volume that went.
        case lost(Int)
        /// Somebody waits until everything before this was passed on.
        case passed(Monitor<Bool>)
    }

    private let session: Session.Handle
    private let fileSystem: FileSystem
    private let changes = BlockingQueue<Change>()
    private let threads = ThreadGroup()
    /// So many images are named at once, so that others need not wait for millions.
    private static let portion = 2000

    /// - Parameters:
    ///   - session: Outlives this object.
    ///   - fileSystem: Its images are forgotten when their files were replaced, or their volume
    ///     went.
    init(session: Session.Handle, fileSystem: FileSystem) {
        self.session = session
        self.fileSystem = fileSystem
        threads.start("invalidate") { [self] in
            while true {
                let batch = changes.take(atMost: 1024)
                if batch.isEmpty { return }
                for change in batch { passOn(change) }
            }
        }
    }

    private func passOn(_ change: Change) {
        switch change {
        case .nodes(let nodes):
            for node in nodes {
                forget(node == 0 ? FixedEntry.root.number : InodeNumber.node(node).rawValue)
            }
        case .replaced(let instances):
            for instance in instances {
                fileSystem.images.replaced(instance)
                // The kernel has cached the bad bytes.
                forget(InodeNumber.instance(instance).rawValue)
            }
        case .gone(let names):
            forget(FixedEntry.root.number)
            for name in names {
                // Programs keep what they have open below it.
                _ = fuse_lowlevel_notify_inval_entry(
                    session.raw, FixedEntry.root.number, name, name.utf8.count)
            }
        case .renumbered(let range):
            for instance in range.prefix(Self.portion) {
                // A negative offset: the attributes alone.
                forget(InodeNumber.instance(instance).rawValue, offset: -1)
            }
            put(.renumbered(range.dropFirst(Self.portion)))
        case .lost(let volume): fileSystem.images.lost(volume: volume)
        case .passed(let passed): passed.withLock(waking: .all) { $0 = true }
        }
    }

    /// The kernel answers ENOENT for an inode that it does not know; it has nothing to forget then.
    private func forget(_ number: UInt64, offset: off_t = 0) {
        _ = fuse_lowlevel_notify_inval_inode(session.raw, number, offset, 0)
    }

    /// - Returns: False when the thread has ended.
    @discardableResult
    private func put(_ change: Change) -> Bool {
        switch change {
        case .nodes([]), .replaced([]): true
        case .renumbered(let range) where range.isEmpty: true
        default: changes.put(change)
        }
    }

    // MARK: ViewObserver

    func published(nodes: Set<Int64>, replaced: [Int64]) {
        put(.nodes(nodes))
        put(.replaced(replaced))
        let passed = Monitor(false)
        if put(.passed(passed)) { passed.wait { $0 ? () : nil } }
    }

    func healed(image: Int64) { put(.replaced([image])) }

    func viewsChanged(gone: [String], images: Range<Int64>) {
        put(.gone(gone))
        put(.renumbered(images))
    }

    func lost(volume: Int) {
        put(.lost(volume))
        fileSystem.trees.followSoon()
    }

    /// Passes on what is there, and ends the thread.
    func stop() {
        changes.close()
        threads.wait(for: "invalidate")
    }
}
