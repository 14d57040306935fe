import Glibc

extension CallingThread {
    // linux/sched.h: the thread ends.
    private static let exiting: UInt64 = 0x4
    // wait(2): the part of an exit status that names a signal.
    private static let signal: Int64 = 0x7F

    /// Whether it closes its files because a signal ended its process: that says nothing about
    /// whether they are whole. False when it cannot be found out, as of a process in another
    /// namespace.
    ///
    /// How the process ends decides, not its flags: exit(3) sends a signal to every other thread
    /// of a program, so that the last of them closes its files as if killed.
    ///
    /// See: 'man 5 proc_pid_stat', `flags` and `exit_code`, which reads as 0 where we may not look
    /// into the other process
    var isKilled: Bool {
        // In execve(2) the kernel closes files too, and reading /proc/TID/stat waits until that is
        // over (Linux 6.18: exec_update_lock), which it is not before we have answered.
        guard hasNoMemory, let bytes = content(of: "stat"),
            // The name of the program stands in parentheses and may hold anything.
            let end = bytes.lastIndex(of: UInt8(ascii: ")"))
        else { return false }
        let fields = bytes[(end + 1)...].split(separator: UInt8(ascii: " "))
        // From the state on, field 3; the flags are field 9, and the exit code is field 52.
        func field(_ number: Int) -> Int64? {
            guard fields.count > number - 3 else { return nil }
            let digits = fields[number - 3].prefix { $0 != UInt8(ascii: "\n") }
            return Int64(String(decoding: digits, as: UTF8.self))
        }
        guard let flags = field(9), let exitCode = field(52) else { return false }
        return UInt64(bitPattern: flags) & Self.exiting != 0 && exitCode & Self.signal != 0
    }

    /// Whether it has given its memory back, as a process that ends does before it closes its
    /// files. Reading this never waits for the process.
    ///
    /// See: 'man 5 proc_pid_statm', whose first number is the size of its memory
    private var hasNoMemory: Bool {
        content(of: "statm")?.starts(with: [UInt8(ascii: "0"), UInt8(ascii: " ")]) == true
    }

    /// What a signal that has come, and has not been handled yet, does to the program.
    enum PendingSignal {
        /// It ends the program.
        case fatal
        /// The program has a handler for it.
        case handled
        /// It stops the program until another comes, or does nothing.
        case harmless
    }

    /// What the signals do that wait for the thread to return from the kernel. Of a process in
    /// another namespace only is known that there are some: ``PendingSignal/handled``.
    ///
    /// See: 'man 5 proc_pid_status', SigPnd, ShdPnd, SigBlk, SigIgn, SigCgt; 'man 7 signal'
    var pendingSignal: PendingSignal {
        guard let bytes = content(of: "status", limit: 4096) else { return .handled }
        var sets: [Substring: UInt64] = [:]
        for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
            let fields = line.split(separator: ":\t")
            if fields.count == 2, line.hasPrefix("S"), let set = UInt64(fields[1], radix: 16) {
                sets[fields[0]] = set
            }
        }
        func set(_ name: Substring) -> UInt64 { sets[name] ?? 0 }
        let pending = (set("SigPnd") | set("ShdPnd")) & ~set("SigBlk") & ~set("SigIgn")
        let caught = set("SigCgt")
        // A signal that ends the process is pending as SIGKILL in each of its threads.
        if pending & ~caught & ~Self.harmless != 0 { return .fatal }
        return pending & caught != 0 ? .handled : .harmless
    }

    /// The signals that do not end a program without a handler.
    private static let harmless: UInt64 = [
        SIGCHLD, SIGURG, SIGWINCH, SIGCONT, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU,
    ].reduce(0) { $0 | 1 << UInt64($1 - 1) }
}
