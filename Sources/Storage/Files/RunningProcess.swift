import Glibc
import System

extension RunningProcess {
    /// The command line that started a process, for people; `nil` when it cannot be seen.
    public static func command(_ process: pid_t) -> String? {
        guard var words = arguments(of: process) else { return nil }
        // The daemon gets it from the command that starts it.
        if let own = words.firstIndex(of: "--ready-fd") { words.removeSubrange(own...) }
        return words.isEmpty ? nil : words.joined(separator: " ")
    }

    /// `process 123 ("pacsfs mount /mnt")`.
    public static func description(of process: pid_t?) -> String {
        guard let process else { return "another process" }
        return "process \(process)" + (command(process).map { " (\"\($0)\")" } ?? "")
    }
}
