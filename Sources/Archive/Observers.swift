import Synchronization

/// Who is told of changes; nobody while no file system is mounted.
final class ObserverBox: Sendable {
    private let observer = Mutex<(any ChangeObserver)?>(nil)

    func set(_ new: (any ChangeObserver)?) { observer.withLock { $0 = new } }

    /// Calls `completion` when the observer has passed the change on.
    func publish(_ nodes: Set<Int64>, replaced: [Int64], completion: @escaping @Sendable () -> Void)
    {
        guard let observer = observer.withLock({ $0 }) else { return completion() }
        observer.published(nodes: nodes, replaced: replaced, completion: completion)
    }

    func arranged(gone: [String], images: Range<Int64>) {
        observer.withLock { $0 }?.arranged(gone: gone, images: images)
    }

    func movedStaging() { observer.withLock { $0 }?.movedStaging() }

    func isInUse(incoming inode: UInt64, on staging: StagingArea) -> Bool {
        observer.withLock { $0 }?.isInUse(incoming: inode, on: staging) ?? false
    }

    func tookOver(incoming path: [UInt8]) { observer.withLock { $0 }?.tookOver(incoming: path) }

    func lost(volume: Int) { observer.withLock { $0 }?.lost(volume: volume) }
}
