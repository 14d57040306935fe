import Logging
import Naming
import System
import TagIndex

/// Makes the views that `pacsfs.toml` asks for and the archive does not show yet, in the
/// background.
final class ViewMaking: Sendable {
    private let core: ArchiveCore
    private let loop: BackgroundLoop
    /// Why it could not go on at the last try.
    private let lastProblem = Lock<String?>(nil)
    /// The pause after a failure, ns.
    private static let pause: Int64 = 10_000_000_000

    /// - Parameter loop: The thread; woken when other views may be wanted.
    init(_ core: ArchiveCore, loop: BackgroundLoop) {
        (self.core, self.loop) = (core, loop)
    }

    /// Why the views cannot be made; `nil` when they can.
    var problem: String? { lastProblem.withLock { $0 } }

    /// Works in the background until ``stop()``.
    func start() throws(Errno) {
        try loop.start { [self] in
            do {
                try make()
                lastProblem.withLock { $0 = nil }
                return .whenWoken
            } catch {
                note("\(error)")
                return .after(Self.pause)
            }
        }
    }

    func stop() { loop.stopAndWait() }

    private func note(_ problem: String) {
        let isNew = lastProblem.withLock { last in
            defer { last = problem }
            return last != problem
        }
        if isNew { core.log.error("The views of pacsfs.toml cannot be made now: \(problem)") }
    }

    /// Works until the views are the wanted ones, or it is stopped.
    func make() throws {
        while !loop.isStopping {
            // They may change while they are made.
            let wanted = core.wantedViews
            let shown = core.catalogue.views
            if shown == wanted { return }
            guard case .shown(let gone) = try core.catalogue.makeStep(to: wanted) else {
                continue
            }
            let new = wanted.filter { !shown.contains($0) }.map(\.name)
            let changes = [("new", new), ("not shown any more", gone.filter { !new.contains($0) })]
                .filter { !$1.isEmpty }.map { "\($0): \($1.joined(separator: ", "))" }
            core.log.notice("The views were changed; \(changes.joined(separator: "; ")).")
            let last = try core.index.read { try $0.lastInstance() }
            core.observers.viewsChanged(gone: gone, images: 1..<1 + last)
        }
    }
}
