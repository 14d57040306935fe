import Archive
import CLinux
import Foundation
import System

/// Starts the daemon behind the command, and tells how that went.
enum Background {
    /// Runs this program again with `arguments` and `--ready-fd`, and waits until it says
    /// that the mount can be used.
    ///
    /// - parameter log: the file to which it appends its messages
    /// - returns: what it has to say all the same, a line each
    /// - throws: ``ArchiveError`` with what it said instead
    static func start(_ arguments: [String], log: String) throws -> [String] {
        LogFile.rotate(log)
        var pipes: [Int32] = [0, 0]
        guard pipe2(&pipes, O_CLOEXEC) == 0 else { throw failure("pipe") }
        let (reader, writer) = (pipes[0], pipes[1])
        defer { close(reader) }

        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        posix_spawn_file_actions_adddup2(&actions, writer, readyDescriptor)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        posix_spawnattr_setflags(&attributes, Int16(PACSFS_SPAWN_SETSID))

        let list = ["pacsfs"] + arguments + ["--ready-fd", String(readyDescriptor)]
        let pointers = list.map { strdup($0) } + [nil]
        defer { for pointer in pointers { free(pointer) } }
        var process = pid_t()
        let result = posix_spawn(
            &process, "/proc/self/exe", &actions, &attributes, pointers, environ)
        close(writer)
        guard result == 0 else {
            throw ArchiveError(
                .storage, "The daemon could not be started: \(String(cString: strerror(result))).")
        }

        var answer: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = read(reader, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            if count <= 0 { break }
            answer.append(contentsOf: buffer[..<count])
        }
        let text = String(decoding: answer, as: UTF8.self)
        guard text.hasPrefix(ready) else {
            throw ArchiveError(
                .storage,
                text.isEmpty
                    ? "The daemon ended before the mount was ready. Its messages are in \(log)."
                    : text)
        }
        return text.dropFirst(ready.count).split(separator: "\n").map(String.init)
    }

    /// Where the daemon answers.
    private static let readyDescriptor: Int32 = 3
    private static let ready = "ready\n"

    /// Tells the command that waits that the mount can be used.
    ///
    /// - parameter notes: what its user should know, a line each
    static func announceReady(_ notes: [String], on descriptor: Int32?) {
        answer(ready + notes.joined(separator: "\n"), on: descriptor)
    }

    /// Tells it why not.
    static func announce(_ error: String, on descriptor: Int32?) { answer(error, on: descriptor) }

    private static func answer(_ text: String, on descriptor: Int32?) {
        guard let descriptor else { return }
        _ = text.withCString { write(descriptor, $0, strlen($0)) }
        close(descriptor)
    }

    private static func failure(_ call: String) -> ArchiveError {
        ArchiveError(
            .storage,
            "The daemon could not be started: \(call): \(String(cString: strerror(errno))).")
    }
}
