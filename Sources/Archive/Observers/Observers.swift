import System

/// Those who show the archive; none while no file system is mounted.
final class Observers: Sendable {
    private struct State {
        var views: (any ViewObserver)?
        var incoming: (any IncomingOwner)?
    }

    private let state = Lock(State())

    func set(views: (any ViewObserver)?, incoming: (any IncomingOwner)?) {
        state.withLock { $0 = State(views: views, incoming: incoming) }
    }

    private var views: (any ViewObserver)? { state.withLock { $0.views } }
    private var incoming: (any IncomingOwner)? { state.withLock { $0.incoming } }

    // MARK: Views

    func published(_ nodes: Set<Int64>, replaced: [Int64]) {
        views?.published(nodes: nodes, replaced: replaced)
    }

    func healed(image: Int64) { views?.healed(image: image) }

    func viewsChanged(gone: [String], images: Range<Int64>) {
        views?.viewsChanged(gone: gone, images: images)
    }

    func lost(volume: Int) { views?.lost(volume: volume) }

    // MARK: Incoming

    /// Whether somebody shows `/incoming`.
    var showsIncoming: Bool { incoming != nil }

    func movedStaging() { incoming?.movedStaging() }

    func isInUse(incoming inode: UInt64, on staging: StagingArea) -> Bool {
        incoming?.isInUse(incoming: inode, on: staging) ?? false
    }

    func inodesNotWaiting(on staging: StagingArea) -> Set<UInt64> {
        incoming?.inodesNotWaiting(on: staging) ?? []
    }

    func inodesToBeArchived(on staging: StagingArea) -> Set<UInt64>? {
        incoming.map { $0.inodesToBeArchived(on: staging) } ?? []
    }

    func tookOver(incoming path: [UInt8]) { incoming?.tookOver(incoming: path) }
}
