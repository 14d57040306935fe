import Archive
import CFuse3
import System
import TagIndex

/// Tells the kernel which directories to read again, from a thread of its own that holds no
/// lock. Whoever waits for an image to be safe is answered after that, so that his next
/// listing shows it.
///
/// Only directories of views are ever named here: their inode locks are not held by any
/// request whose answer waits for this thread.
final class Invalidator: ViewObserver {
    private let fileSystem: FileSystem
    private struct Change: Sendable {
        var nodes: Set<Int64>
        var replaced: [Int64]
        /// Volumes that went.
        var lost: [Int] = []
        /// Names at the root that are something else now.
        var gone: [String] = []
        /// Images (`instance.id`) that have another number of names now.
        var renumbered: Range<Int64> = 0..<0
        var completion: @Sendable () -> Void
    }

    private let changes = BlockingQueue<Change>()
    /// So many images are told of at once.
    private static let portion = 2000
    private let threads = ThreadGroup()

    /// - parameters:
    ///   - session: outlives this object
    ///   - fileSystem: forgets the files of blobs that were replaced, and of volumes that went
    init(session: Session.Handle, fileSystem: FileSystem) {
        self.fileSystem = fileSystem
        threads.start("invalidate") { [changes] in
            while true {
                let batch = changes.take(atMost: 1024)
                if batch.isEmpty { return }
                let nodes = batch.reduce(into: Set<Int64>()) { $0.formUnion($1.nodes) }
                for node in nodes {
                    let number =
                        node == 0 ? FixedEntry.root.number : InodeNumber.node(node).rawValue
                    // ENOENT: the kernel does not know it, so there is nothing to forget.
                    _ = fuse_lowlevel_notify_inval_inode(session.raw, number, 0, 0)
                }
                for name in batch.flatMap(\.gone) {
                    // Whoever has something open below it keeps that.
                    _ = fuse_lowlevel_notify_inval_entry(
                        session.raw, FixedEntry.root.number, name, name.utf8.count)
                }
                for range in batch.map(\.renumbered) where !range.isEmpty {
                    for instance in range.prefix(Self.portion) {
                        // Only their attributes: nothing else has changed.
                        _ = fuse_lowlevel_notify_inval_inode(
                            session.raw, InodeNumber.instance(instance).rawValue, -1, 0)
                    }
                    // Whoever waits for an image to be shown does not wait for all of them.
                    let rest = range.dropFirst(Self.portion)
                    _ = changes.put(
                        Change(nodes: [], replaced: [], renumbered: rest, completion: {}))
                }
                for instance in batch.flatMap(\.replaced) {
                    fileSystem.images.replaced(instance)
                    // What the kernel has cached of it are the bad bytes.
                    _ = fuse_lowlevel_notify_inval_inode(
                        session.raw, InodeNumber.instance(instance).rawValue, 0, 0)
                }
                for volume in batch.flatMap(\.lost) { fileSystem.images.lost(volume: volume) }
                if batch.contains(where: { !$0.lost.isEmpty }) { fileSystem.trees.followSoon() }
                for change in batch { change.completion() }
            }
        }
    }

    func published(
        nodes: Set<Int64>, replaced: [Int64], completion: @escaping @Sendable () -> Void
    ) {
        if !changes.put(Change(nodes: nodes, replaced: replaced, completion: completion)) {
            completion()
        }
    }

    func viewsChanged(gone: [String], images: Range<Int64>) {
        _ = changes.put(
            Change(nodes: [0], replaced: [], gone: gone, renumbered: images, completion: {}))
    }

    func lost(volume: Int) {
        _ = changes.put(Change(nodes: [], replaced: [], lost: [volume], completion: {}))
    }

    /// Passes on what is there, and ends the thread.
    func stop() {
        changes.close()
        threads.wait(for: "invalidate")
    }
}
