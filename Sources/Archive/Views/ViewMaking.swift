import Foundation
import Naming
import System

/// Makes the views that `pacsfs.toml` asks for and the archive does not show, in the background.
final class ViewMaking: Sendable {
    private struct State {
        var isStopped = false
        /// Why it could not go on at the last try.
        var problem: String?
    }

    private let state = Lock(State())
    private let signal = DispatchSemaphore(value: 0)
    /// After a failure it is tried again in so many seconds.
    private static let pause = 10.0

    /// There may be something to do.
    func wake() { signal.signal() }

    func stop() {
        state.withLock { $0.isStopped = true }
        signal.signal()
    }

    /// Why it does not go on; `nil` when it does.
    var problem: String? { state.withLock { $0.problem } }

    /// Runs until ``stop()``; on a thread of its own.
    func run(_ archive: Archive) {
        while !state.withLock({ $0.isStopped }) {
            do {
                try make(archive)
                state.withLock { $0.problem = nil }
                signal.wait()
            } catch {
                let problem = "\(error)"
                let isNew = state.withLock { state in
                    defer { state.problem = problem }
                    return state.problem != problem
                }
                if isNew {
                    archive.log.error("The views of pacsfs.toml cannot be made now: \(problem)")
                }
                _ = signal.wait(timeout: .now() + Self.pause)
            }
        }
    }

    /// Goes on until the views are those that are wanted, or it is stopped.
    func make(_ archive: Archive) throws {
        while !state.withLock({ $0.isStopped }) {
            // They may change while they are made.
            let wanted = archive.wantedViews
            let shown = archive.catalogue.views
            if shown == wanted { return }
            guard case .shown(let gone) = try archive.catalogue.makeStep(to: wanted) else {
                continue
            }
            let new = wanted.filter { !shown.contains($0) }.map(\.name)
            let changes = [("new", new), ("not shown any more", gone.filter { !new.contains($0) })]
                .filter { !$1.isEmpty }.map { "\($0): \($1.joined(separator: ", "))" }
            archive.log.notice("The views were changed; \(changes.joined(separator: "; ")).")
            archive.observers.viewsChanged(
                gone: gone, images: 1..<1 + (try archive.index.read { try $0.lastInstance() }))
        }
    }
}
