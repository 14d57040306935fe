import Glibc

extension CallingThread {
    // linux/sched.h: the thread ends.
    private static let exiting: UInt64 = 0x4
    // wait(2): the part of an exit status that names a signal.
    private static let signal: Int64 = 0x7F

    /// Whether it is on its way out because a signal ended its process: the kernel closes the
    /// files then, which says nothing about whether they are whole. False when that cannot be
    /// told, as of a process in another namespace.
    ///
    /// How the process ends decides, and not its flags: exit(3) sends a signal to every other
    /// thread of a program, so that the last of them closes its files as if killed.
    ///
    /// See: 'man 5 proc', /proc/pid/stat, `flags` and `exit_code`, which reads as 0 where we may
    /// not look into the other process
    var isKilled: Bool {
        // In execve(2) the kernel closes files, too, and who reads /proc/TID/stat waits until that
        // is over (Linux 6.18: exec_update_lock), which it is not before we have answered.
        guard hasNoMemory, let bytes = content(of: "stat"),
            // The name of the program stands in parentheses and may hold anything.
            let end = bytes.lastIndex(of: UInt8(ascii: ")"))
        else { return false }
        let fields = bytes[(end + 1)...].split(separator: UInt8(ascii: " "))
        // From the state on, field 3; the flags are field 9, and the exit code is field 52.
        func field(_ number: Int) -> Int64? {
            guard fields.count > number - 3 else { return nil }
            return Int64(
                String(
                    decoding: fields[number - 3].prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
            )
        }
        guard let flags = field(9), let exitCode = field(52) else { return false }
        return UInt64(bitPattern: flags) & Self.exiting != 0 && exitCode & Self.signal != 0
    }

    /// Whether it has given its memory back, as a process that ends does before it closes its
    /// files. Is told without waiting for the process, whatever it does.
    ///
    /// See: 'man 5 proc_pid_statm', whose first number is the size of its memory
    private var hasNoMemory: Bool {
        content(of: "statm")?.starts(with: [UInt8(ascii: "0"), UInt8(ascii: " ")]) == true
    }
}
