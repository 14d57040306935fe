import Glibc

extension CallingThread {
    // linux/sched.h: the thread ends; a signal ended it.
    private static let exiting: UInt64 = 0x4
    private static let signaled: UInt64 = 0x400

    /// Whether it is on its way out because a signal ended its process: the kernel closes the
    /// files then, which says nothing about whether they are whole. False when that cannot be
    /// told, as of a process in another namespace.
    ///
    /// See: 'man 5 proc', /proc/pid/stat, `flags`
    var isKilled: Bool {
        guard id > 0 else { return false }
        let file = open("/proc/\(id)/stat", O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return false }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 512)
        let count = read(file, &bytes, bytes.count)
        // The name of the program stands in parentheses and may hold anything.
        guard count > 0, let end = bytes[..<count].lastIndex(of: UInt8(ascii: ")")) else { return false }
        let fields = bytes[(end + 1)..<count].split(separator: UInt8(ascii: " "))
        // From the state on, field 3 of 52; the flags are field 9.
        guard fields.count > 6, let flags = UInt64(String(decoding: fields[6], as: UTF8.self)) else { return false }
        return flags & Self.exiting != 0 && flags & Self.signaled != 0
    }
}
