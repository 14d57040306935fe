import Dispatch
import Foundation

/// Tells systemd that the daemon lives, as long as the mount answers: `WatchdogSec=` of the unit.
///
/// Another process asks the mount. The daemon must never wait for itself, and to ask only its own
/// parts would not show that requests get to them.
final class Watchdog: Sendable {
    private let notification: ServiceNotification
    private let mountpoint: String
    /// Seconds between two questions: half of what systemd waits, as sd_watchdog_enabled(3) advises.
    private let interval: Double
    private let stopping = DispatchSemaphore(value: 0)

    /// `nil` when systemd does not ask for it.
    init?(
        _ notification: ServiceNotification, mountpoint: String,
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) {
        guard let limit = environment["WATCHDOG_USEC"].flatMap(UInt64.init), limit > 0,
            environment["WATCHDOG_PID"].map({ $0 == String(getpid()) }) ?? true
        else { return nil }
        self.notification = notification
        self.mountpoint = mountpoint
        interval = Double(limit) / 2_000_000
    }

    func start() {
        Thread.detachNewThread { [self] in
            repeat {
                if isAnswered() { notification.alive() }
            } while stopping.wait(timeout: .now() + interval) == .timedOut
        }
    }

    func stop() { stopping.signal() }

    /// Whether `stat -f`, which is always asked of the daemon, gets an answer in time.
    private func isAnswered() -> Bool {
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
        guard posix_spawnp(&process, "stat", &actions, nil, arguments, environ) == 0 else {
            return false
        }
        let end = Date.now + interval
        var status: Int32 = 0
        while true {
            let result = waitpid(process, &status, WNOHANG)
            if result == process { return status == 0 }
            if result < 0, errno != EINTR { return false }
            if Date.now >= end {
                kill(process, SIGKILL)
                while waitpid(process, &status, 0) < 0, errno == EINTR {}
                return false
            }
            usleep(10_000)
        }
    }
}
