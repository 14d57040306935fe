import CLinux
import Foundation
import System

/// What the daemon asks of the operating system for itself.
enum DaemonProcess {
    static func prepare() {
        // As many open files as allowed.
        var limit = rlimit()
        if getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 {
            limit.rlim_cur = limit.rlim_max
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        }
        // mallopt(3): with one heap for each thread, each would keep free memory for itself.
        mallopt(Int32(PACSFS_M_ARENA_MAX), 2)
        // Modes are what clients ask for; the kernel has applied their umask.
        umask(0)
        // The process that started this one may have blocked the signals that stop it.
        var none = sigset_t()
        sigemptyset(&none)
        sigprocmask(SIG_SETMASK, &none, nil)
        // SIGHUP means that the configuration is to be read again (onHangup); it would end libfuse.
        sigaddset(&none, SIGHUP)
        sigprocmask(SIG_BLOCK, &none, nil)
        // Standard error may be a pipe whose reader goes away.
        signal(SIGPIPE, SIG_IGN)
        chdir("/")
    }

    /// Calls `body` whenever SIGHUP comes, on a thread for that. ``prepare()`` has blocked the
    /// signal for all threads, so that it waits for this one (sigwait(3)).
    ///
    /// - Throws: `EAGAIN` when the system has no room for another thread.
    static func onHangup(_ body: @escaping @Sendable () -> Void) throws(Errno) {
        _ = try WorkerThread("hangup") {
            var signals = sigset_t()
            sigemptyset(&signals)
            sigaddset(&signals, SIGHUP)
            var number: Int32 = 0
            while sigwait(&signals, &number) == 0 { body() }
        }
    }
}
