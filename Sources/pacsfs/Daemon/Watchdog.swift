import Foundation
import System

/// Tells systemd that the daemon lives, as long as the mount answers: `WatchdogSec=` of the unit.
///
/// Another process asks the mount. The daemon must never wait for itself, and to ask only its own
/// parts would not show that requests reach them.
final class Watchdog: Sendable {
    private let notification: ServiceNotification
    private let mountpoint: String
    /// Nanoseconds between two questions: half of the time that systemd waits, as
    /// sd_watchdog_enabled(3) advises.
    private let interval: Int64
    private let loop = BackgroundLoop("watchdog", clock: SystemClock())

    /// `nil` when systemd does not ask for it.
    ///
    /// - Parameter environment: Of this process.
    init?(
        _ notification: ServiceNotification, mountpoint: String,
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) {
        guard let limit = environment["WATCHDOG_USEC"].flatMap(Int64.init), limit > 0,
            environment["WATCHDOG_PID"].map({ $0 == String(getpid()) }) ?? true
        else { return nil }
        self.notification = notification
        self.mountpoint = mountpoint
        interval = limit.multipliedReportingOverflow(by: 500).partialValue
    }

    /// - Throws: `EAGAIN` when the system has no room for another thread.
    func start() throws(Errno) {
        try loop.start { [self] in
            if isAnswered() { notification.alive() }
            return .after(interval)
        }
    }

    func stop() { loop.stop() }

    /// Whether `stat -f`, which always asks the daemon, gets an answer in time.
    private func isAnswered() -> Bool {
        guard let process = askMount() else { return false }
        let end = SystemClock().now + interval
        let isInTime: Bool
        if let watched = try? WatchedProcess(process) {
            isInTime = watched.waitForEnd(until: end)
        } else {
            isInTime = false
        }
        if !isInTime { kill(process, SIGKILL) }
        var status: Int32 = 0
        _ = try? systemCall { waitpid(process, &status, 0) }
        return isInTime && status == 0
    }

    /// Starts `stat --file-system`.
    ///
    /// - Returns: The process; `nil` when it cannot be started.
    private func askMount() -> pid_t? {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for descriptor in [Int32(0), 1, 2] {
            posix_spawn_file_actions_addopen(&actions, descriptor, "/dev/null", O_RDWR, 0)
        }
        let words: [String] = ["stat", "--file-system", "--", mountpoint]
        let arguments = words.map { strdup($0) } + [nil]
        defer { for pointer in arguments { free(pointer) } }
        var process = pid_t()
        let error = posix_spawnp(&process, "stat", &actions, nil, arguments, environ)
        return error == 0 ? process : nil
    }
}
