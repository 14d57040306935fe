import CLinux
import Glibc

/// Gives the reads of a thread the lowest priority.
public enum IdlePriority {
    /// Runs `body` with the IO class idle, if `isIdle`, and restores the class of the thread.
    /// Schedulers without classes (`none`, `mq-deadline` before Linux 5.14) ignore it.
    ///
    /// See: 'man 2 ioprio_set'
    public static func during<R, Failure: Error>(
        _ isIdle: Bool = true, _ body: () throws(Failure) -> R
    ) throws(Failure) -> R {
        let thread = (Int32(PACSFS_IOPRIO_WHO_PROCESS), Int32(0))
        let before = isIdle ? pacsfs_ioprio_get(thread.0, thread.1) : -1
        if before >= 0 { set(of: thread.1) }
        defer { if before >= 0 { _ = pacsfs_ioprio_set(thread.0, thread.1, before) } }
        return try body()
    }

    /// Gives another process that this one has just started the lowest priority, for its reads and
    /// for the processor.
    ///
    /// See: 'man 2 ioprio_set', 'man 2 setpriority'
    public static func give(to process: Int32) {
        set(of: process)
        setpriority(__priority_which_t(PRIO_PROCESS.rawValue), id_t(process), 10)
    }

    private static func set(of thread: Int32) {
        _ = pacsfs_ioprio_set(
            Int32(PACSFS_IOPRIO_WHO_PROCESS), thread,
            Int32(PACSFS_IOPRIO_CLASS_IDLE) << Int32(PACSFS_IOPRIO_CLASS_SHIFT))
    }
}
