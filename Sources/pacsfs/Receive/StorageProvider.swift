import CLinux
import Foundation
import System

/// A `storescp` of DCMTK that serves one association, over a socket in place of the network.
///
/// See: 'man 1 storescp'
final class StorageProvider {
    /// The other end of its connection.
    let socket: Int32
    private let process: pid_t
    private static let profileDescriptor: Int32 = 9

    /// Whether there is such a program.
    static var isInstalled: Bool {
        (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin").split(separator: ":")
            .contains { access("\($0)/storescp", X_OK) == 0 }
    }

    /// - throws: ``AssociationError`` when it cannot be started
    init(_ profile: AssociationProfile, aeTitle: String, folder: String) throws(AssociationError) {
        var ends: [Int32] = [-1, -1]
        guard
            socketpair(
                AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0, &ends) == 0
        else {
            throw Self.failure("socketpair", errno)
        }
        socket = ends[0]
        defer { close(ends[1]) }
        do {
            process = try Self.spawn(
                [
                    "storescp", "--inetd", "--bit-preserving", "--aetitle", aeTitle, "--max-pdu",
                    "131072",
                    "--disable-host-lookup", "--config-file",
                    "/proc/self/fd/\(Self.profileDescriptor)",
                    AssociationProfile.name, "--filename-extension", ReceivedFiles.unfinished,
                    "--output-directory", folder,
                ], input: ends[1], profile: profile)
        } catch {
            close(ends[0])
            throw error
        }
    }

    deinit { close(socket) }

    private static func spawn(
        _ arguments: [String], input: Int32, profile: AssociationProfile
    ) throws(AssociationError) -> pid_t {
        let file = memfd_create("profile", UInt32(PACSFS_MFD_CLOEXEC))
        guard file >= 0 else { throw failure("memfd_create", errno) }
        defer { close(file) }
        let count = profile.text.utf8.count
        guard profile.text.withCString({ write(file, $0, count) }) == count else {
            throw failure("write", errno)
        }

        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, input, 0)
        posix_spawn_file_actions_adddup2(&actions, file, profileDescriptor)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // Ctrl-C is for us: it finishes what it is receiving.
        posix_spawnattr_setpgroup(&attributes, 0)
        var signals = sigset_t()
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        posix_spawnattr_setflags(
            &attributes,
            Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))

        // TCP_NODELAY makes DCMTK set what a socket without TCP does not have.
        let variables = ProcessInfo.processInfo.environment.filter { $0.key != "TCP_NODELAY" }
        let list = arguments.map { strdup($0) } + [nil]
        let settings = variables.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for pointer in list + settings { free(pointer) } }
        var process = pid_t()
        let result = posix_spawnp(&process, arguments[0], &actions, &attributes, list, settings)
        guard result == 0 else { throw failure("storescp", result) }
        return process
    }

    private static func failure(_ call: String, _ error: Int32) -> AssociationError {
        AssociationError(
            "storescp could not be started: \(call): \(String(cString: strerror(error)))")
    }

    /// Waits until it has ended, which it does when its connection does; one that does not is
    /// killed.
    ///
    /// - returns: the signal that ended it, 0 for none
    @discardableResult
    func end() -> Int32 {
        shutdown(socket, Int32(SHUT_RDWR))
        var status: Int32 = 0
        for attempt in 0..<600 {
            let result = waitpid(process, &status, WNOHANG)
            if result == process || result < 0 && errno != EINTR { break }
            if attempt == 500 { kill(process, SIGKILL) }
            usleep(10_000)
        }
        // wait(2): the low seven bits.
        return status & 0x7F
    }
}
