import Glibc

/// A process as one tells a person about it.
public enum RunningProcess {
    /// What somebody typed to start a process, as far as he did; `nil` when it cannot be seen.
    /// See: 'man 5 proc_pid_cmdline'
    public static func command(_ process: pid_t) -> String? {
        guard let file = fopen("/proc/\(process)/cmdline", "re") else { return nil }
        defer { fclose(file) }
        var buffer = [UInt8](repeating: 0, count: 512)
        let count = fread(&buffer, 1, buffer.count, file)
        var words = buffer.prefix(count).split(separator: 0).map {
            String(decoding: $0, as: UTF8.self)
        }
        // The daemon gets it from the command that starts it.
        if let own = words.firstIndex(of: "--ready-fd") { words.removeSubrange(own...) }
        return words.isEmpty ? nil : words.joined(separator: " ")
    }

    /// «process 123 («pacsfs mount /mnt»)».
    public static func description(of process: pid_t?) -> String {
        guard let process else { return "another process" }
        return "process \(process)" + (command(process).map { " («\($0)»)" } ?? "")
    }
}
