import CLinux
import Glibc
import System

/// A thread that waits for an answer, and what it is doing.
struct CallingThread {
    /// Its id; 0 for one in another namespace (pid_namespaces(7)).
    let id: pid_t

    /// Whether it is inside a call that makes or moves a name: mkdir(2), rename(2).
    ///
    /// Before these calls the kernel looks the name up, and answers EEXIST itself when it exists;
    /// FUSE does not say what a look-up is for. /proc/TID/syscall does, as far as we may look into
    /// the other process; where we may not, this is false.
    ///
    /// See: 'man 5 proc_pid_syscall'; 'man 2 ptrace', PTRACE_MODE_ATTACH_FSCREDS
    var isMakingName: Bool {
        for _ in 0..<Self.attempts {
            guard let bytes = content(of: "syscall") else { return false }
            let word = bytes.prefix { $0 != UInt8(ascii: " ") && $0 != UInt8(ascii: "\n") }
            let text = String(decoding: word, as: UTF8.self)
            // It has sent the request, but does not sleep yet.
            if text != "running" { return Int32(text).map(Self.calls.contains) ?? false }
            usleep(100)
        }
        return false
    }

    /// A file of /proc/TID; `nil` when it is empty or may not be read.
    ///
    /// - Parameter limit: At most so many bytes.
    ///
    /// See: 'man 5 proc'
    func content(of name: String, limit: Int = 2048) -> [UInt8]? {
        id > 0 ? ProcFile.content(of: name, id: id, limit: limit) : nil
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
