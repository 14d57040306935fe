import CLinux
import Foundation
import System

/// Starts the daemon in the background.
///
/// The command runs this program again and waits. The daemon answers on a pipe, once: `ready` and a
/// line for each note, or the lines of an error.
enum DaemonLauncher {
    /// Runs this program again with `arguments` and `--ready-fd`, and waits until the mount can be
    /// used.
    ///
    /// - Parameter log: The file to which the daemon appends its messages.
    /// - Returns: What wants attention all the same, a sentence each.
    /// - Throws: ``DaemonStartError`` when the daemon could not be started, or has ended.
    static func start(_ arguments: [String], log: String) throws(DaemonStartError) -> [String] {
        LogFile.rotate(log)
        let answer: [String]
        do throws(Errno) {
            answer = try run(arguments, log: log)
        } catch {
            throw DaemonStartError(
                code: .system, message: "The daemon could not be started", cause: error,
                remedy: "Run the command again with --foreground to see where it stops.")
        }
        guard let first = answer.first else {
            throw DaemonStartError(
                code: .ended, message: "The daemon ended before the mount was ready",
                remedy: "Its messages are in \(log).")
        }
        guard first == ready else {
            throw DaemonStartError(
                code: .refused, message: first, excerpt: Array(answer.dropFirst()))
        }
        return Array(answer.dropFirst())
    }

    /// The descriptor on which the daemon answers.
    private static let readyDescriptor: Int32 = 3
    private static let ready = "ready"

    /// - Returns: The lines of the answer.
    private static func run(_ arguments: [String], log: String) throws(Errno) -> [String] {
        let reader = try spawn(arguments, log: log)
        var answer: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = try systemCall { read(reader.number, &buffer, buffer.count) }
            if count == 0 { break }
            answer.append(contentsOf: buffer[..<count])
        }
        return String(decoding: answer, as: UTF8.self).split(separator: "\n").map(String.init)
    }

    /// - Returns: Where the daemon's answer is read.
    private static func spawn(
        _ arguments: [String], log: String
    ) throws(Errno) -> SharedDescriptor {
        let (reader, writer) = try SharedDescriptor.pipe()
        defer { withExtendedLifetime(writer) {} }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        posix_spawn_file_actions_adddup2(&actions, writer.number, readyDescriptor)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        posix_spawnattr_setflags(&attributes, Int16(PACSFS_SPAWN_SETSID))
        let list = ["pacsfs"] + arguments + ["--ready-fd", String(readyDescriptor)]
        let pointers = list.map { strdup($0) } + [nil]
        defer { for pointer in pointers { free(pointer) } }
        var process = pid_t()
        let error = posix_spawn(
            &process, "/proc/self/exe", &actions, &attributes, pointers, environ)
        if error != 0 { throw Errno(error) }
        return reader
    }

    /// Answers the command that waits: the mount can be used.
    ///
    /// - Parameter notes: What wants attention, a sentence each.
    static func announceReady(_ notes: [String], on descriptor: Int32?) {
        answer([ready] + notes, on: descriptor)
    }

    /// Answers the command that waits: the archive cannot be mounted.
    ///
    /// - Parameter error: A sentence, then what explains it.
    static func announce(_ error: [String], on descriptor: Int32?) {
        answer(error, on: descriptor)
    }

    private static func answer(_ lines: [String], on descriptor: Int32?) {
        guard let descriptor else { return }
        let text = lines.map { SafeText.line($0) + "\n" }.joined()
        _ = text.withCString { write(descriptor, $0, strlen($0)) }
        close(descriptor)
    }
}

/// Why the daemon in the background did not start.
struct DaemonStartError: DescribedError {
    enum Code: Sendable {
        /// A system call failed before there was a daemon.
        case system
        /// The daemon ended and said nothing.
        case ended
        /// The daemon says why the archive cannot be mounted.
        case refused
    }

    var code: Code
    /// Of a daemon that refused: its whole sentence, remedy included.
    var message: String
    var path: String?
    var cause: (any Error)?
    var remedy = ""
    /// The lines of the configuration that have the mistake, and a mark below it.
    var excerpt: [String] = []
}
