import CLinux
import Glibc

/// What a thread that waits for our answer is doing.
struct CallingThread {
    /// Its id; 0 for one in another namespace (pid_namespaces(7)).
    let id: pid_t

    /// Whether it is inside a call that makes or moves a name: mkdir(2), rename(2).
    ///
    /// Before these the kernel looks the name up, and says EEXIST itself when it is there; FUSE
    /// does not tell what a look-up is for. /proc/TID/syscall (proc(5)) does, as far as we may
    /// look into the other process (ptrace(2), PTRACE_MODE_ATTACH_FSCREDS); where we may not,
    /// this is false.
    var isMakingName: Bool {
        for _ in 0..<Self.attempts {
            guard let bytes = content(of: "syscall") else { return false }
            let word = bytes.prefix { $0 != UInt8(ascii: " ") && $0 != UInt8(ascii: "\n") }
            let text = String(decoding: word, as: UTF8.self)
            // It has asked, but does not sleep yet.
            if text != "running" { return Int32(text).map(Self.calls.contains) ?? false }
            usleep(100)
        }
        return false
    }

    /// What a file of /proc/TID says, up to 2 kB of it; `nil` when it is empty or may not be read.
    /// See: 'man 5 proc'
    func content(of name: String) -> [UInt8]? {
        guard id > 0 else { return nil }
        let file = open("/proc/\(id)/\(name)", O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 2048)
        let count = read(file, &bytes, bytes.count)
        return count > 0 ? Array(bytes[..<count]) : nil
    }

    private static let attempts = 50

    // The numbers of a 32-bit process on x86-64 are those of i386: 39 (mkdir), 38 (rename),
    // 296, 302 and 353 (the same with directories); as numbers of x86-64 they look nothing up.
    #if arch(x86_64)
        private static let calls: Set<Int32> = [
            SYS_mkdir, SYS_mkdirat, SYS_rename, SYS_renameat, SYS_renameat2, 38, 39, 296, 302, 353,
        ]
    #else
        private static let calls: Set<Int32> = [SYS_mkdirat, SYS_renameat, SYS_renameat2]
    #endif
}
