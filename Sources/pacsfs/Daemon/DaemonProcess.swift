import CLinux
import Foundation

/// What the daemon asks of the operating system for itself.
enum DaemonProcess {
    static func prepare() {
        // As many open files as we may have.
        var limit = rlimit()
        if getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 {
            limit.rlim_cur = limit.rlim_max
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        }
        // mallopt(3): one heap for each thread would multiply what is free in each.
        mallopt(Int32(PACSFS_M_ARENA_MAX), 2)
        // Modes are what clients ask for; the kernel has applied their umask.
        umask(0)
        // Whoever started us may have blocked the signal by which we are told to stop.
        var none = sigset_t()
        sigemptyset(&none)
        sigprocmask(SIG_SETMASK, &none, nil)
        // It asks for the configuration to be read again; see onHangup. libfuse would end.
        sigaddset(&none, SIGHUP)
        sigprocmask(SIG_BLOCK, &none, nil)
        // Standard error may be a pipe whose reader goes.
        signal(SIGPIPE, SIG_IGN)
        chdir("/")
    }

    /// Calls `body` whenever SIGHUP comes, from a thread of its own. ``prepare()`` has blocked the
    /// signal for all threads, so that it waits for this one (sigwait(3)).
    static func onHangup(_ body: @escaping @Sendable () -> Void) {
        Thread.detachNewThread {
            var signals = sigset_t()
            sigemptyset(&signals)
            sigaddset(&signals, SIGHUP)
            var number: Int32 = 0
            while sigwait(&signals, &number) == 0 { body() }
        }
    }
}
