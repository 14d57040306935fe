import CLinux

/// Gives the reads of a thread the lowest priority.
enum IdlePriority {
    /// Runs `body` with the IO class idle, if `isIdle`, and restores the class of the thread.
    /// Schedulers without classes (`none`, `mq-deadline` before Linux 5.14) ignore it.
    ///
    /// See: 'man 2 ioprio_set'
    static func during(_ isIdle: Bool, _ body: () -> Void) {
        let thread = (Int32(PACSFS_IOPRIO_WHO_PROCESS), Int32(0))
        let before = isIdle ? pacsfs_ioprio_get(thread.0, thread.1) : -1
        if before >= 0 {
            _ = pacsfs_ioprio_set(
                thread.0, thread.1,
                Int32(PACSFS_IOPRIO_CLASS_IDLE) << Int32(PACSFS_IOPRIO_CLASS_SHIFT))
        }
        body()
        if before >= 0 { _ = pacsfs_ioprio_set(thread.0, thread.1, before) }
    }
}
