import System

/// The settings in use: those of the start, with the changes that were read since.
final class CurrentSettings: Sendable {
    private let settings: Lock<Settings>

    init(_ settings: Settings) { self.settings = Lock(settings) }

    var value: Settings { settings.withLock { $0 } }

    /// Changes them in one step: no thread sees some of the changes only.
    func replace<R: Sendable>(_ change: (inout Settings) -> R) -> R {
        settings.withLock { change(&$0) }
    }
}
