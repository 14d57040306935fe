import Foundation
import System

/// Ctrl-C as a question that a long task asks between two steps, instead of the end of the process
/// in the middle of one. While this lives, SIGINT and SIGTERM are only noted.
final class Interruption {
    /// The answer, for any thread.
    final class Answer: Sendable {
        fileprivate let hasCome = Lock(false)
        var isYes: Bool { hasCome.withLock { $0 } }
    }

    let answer = Answer()
    private var sources: [any DispatchSourceSignal] = []

    /// - Parameter action: Done when one comes, for a task that waits for something else.
    init(_ action: @escaping @Sendable () -> Void = {}) {
        for number in [SIGINT, SIGTERM] {
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler { [answer] in
                answer.hasCome.withLock { $0 = true }
                action()
            }
            source.resume()
            sources.append(source)
        }
    }

    deinit {
        for source in sources { source.cancel() }
        for number in [SIGINT, SIGTERM] { signal(number, SIG_DFL) }
    }
}
