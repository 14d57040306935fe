import Synchronization

/// The settings in use: those of the start, and what was read again since.
final class CurrentSettings: Sendable {
    private let settings: Mutex<Settings>

    init(_ settings: Settings) { self.settings = Mutex(settings) }

    var value: Settings { settings.withLock { $0 } }

    /// Changes them, in one step for whoever reads them.
    func replace<R: Sendable>(_ change: (inout Settings) -> R) -> R {
        settings.withLock { change(&$0) }
    }
}
