import Glibc

/// Files of /proc, which are made when they are read and have no size.
///
/// See: 'man 5 proc'
public enum ProcFile {
    /// The lines of a file without their ends; none when it cannot be read.
    public static func lines(of path: String) -> [Substring] {
        guard let content = try? FileIO.content(of: path) else { return [] }
        return String(decoding: content, as: UTF8.self).split(separator: "\n")
    }

    /// The content of a file of a process or thread.
    ///
    /// - Parameters:
    ///   - id: Of a process or thread.
    ///   - name: `cmdline`, `stat`, …
    ///   - limit: The most bytes to read.
    /// - Returns: `nil` when it is empty or may not be read.
    public static func content(of name: String, id: pid_t, limit: Int = 2048) -> [UInt8]? {
        guard id > 0, let content = try? FileIO.content(of: "/proc/\(id)/\(name)", limit: limit),
            !content.isEmpty
        else { return nil }
        return content
    }
}

/// Another process as people see it.
public enum RunningProcess {
    /// The arguments a process was started with; `nil` when they cannot be seen.
    ///
    /// See: 'man 5 proc_pid_cmdline'
    public static func arguments(of process: pid_t) -> [String]? {
        ProcFile.content(of: "cmdline", id: process, limit: 1 << 16).map { bytes in
            bytes.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
        }
    }

    /// Whether a process was killed, and not all of its threads have ended: it has no memory any
    /// more, and so no arguments. Its files are still open, and its locks held.
    ///
    /// - Parameter process: Not a thread of the kernel, which looks the same.
    public static func isEnding(_ process: pid_t) -> Bool {
        (try? FileIO.content(of: "/proc/\(process)/cmdline", limit: 1))?.isEmpty == true
    }

    /// The name of its program; `nil` when it cannot be seen.
    ///
    /// See: 'man 5 proc_pid_comm'
    public static func name(of process: pid_t) -> String? {
        ProcFile.content(of: "comm", id: process).map {
            String(decoding: $0.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
        }
    }
}
