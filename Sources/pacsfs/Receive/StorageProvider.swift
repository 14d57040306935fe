import CLinux
import Foundation
import System

/// A `storescp` of DCMTK that serves one association, over a socket in place of the network.
///
/// See: 'man 1 storescp'
final class StorageProvider {
    /// The other end of its connection.
    let socket: SharedDescriptor
    private let process: pid_t
    private static let profileDescriptor: Int32 = 9

    /// Whether there is such a program.
    static var isInstalled: Bool {
        (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin").split(separator: ":")
            .contains { access("\($0)/storescp", X_OK) == 0 }
    }

    /// - Throws: ``AssociationError`` when it cannot be started.
    init(_ profile: AssociationProfile, aeTitle: String, folder: String) throws(AssociationError) {
        let arguments = [
            "storescp", "--inetd", "--bit-preserving", "--aetitle", aeTitle, "--max-pdu", "131072",
            "--disable-host-lookup", "--config-file", "/proc/self/fd/\(Self.profileDescriptor)",
            AssociationProfile.name, "--filename-extension", ReceivedFiles.unfinished,
            "--output-directory", folder,
        ]
        do throws(Errno) {
            (socket, process) = try Self.start(arguments, profile: profile)
        } catch {
            throw AssociationError(.provider, "storescp could not be started", cause: error)
        }
    }

    private static func start(_ arguments: [String], profile: AssociationProfile) throws(Errno) -> (
        SharedDescriptor, pid_t
    ) {
        var ends: [Int32] = [-1, -1]
        try systemCall {
            socketpair(
                AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0, &ends)
        }
        let socket = SharedDescriptor(owning: ends[0])
        let input = Descriptor(owning: ends[1])
        let file = Descriptor(
            owning: try systemCall { memfd_create("profile", UInt32(PACSFS_MFD_CLOEXEC)) })
        let (number, text) = (file.number, Array(profile.text.utf8))
        // A memfd takes all bytes at once (memfd_create(2)).
        try systemCall { write(number, text, text.count) }
        // TCP_NODELAY makes DCMTK set an option that only sockets of TCP have.
        let variables = ProcessInfo.processInfo.environment.filter { $0.key != "TCP_NODELAY" }
        // Ctrl-C is for this process: it finishes the image that it is receiving.
        let process = try ChildProcess.spawn(
            arguments, variables: variables,
            descriptors: [0: input.number, 1: 1, 2: 2, profileDescriptor: number])
        return (socket, process)
    }

    /// Sends what it takes of some bytes without waiting.
    ///
    /// - Returns: How many it has taken.
    func sendSome(of bytes: ArraySlice<UInt8>) -> Int {
        let flags = Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT)
        return bytes.withUnsafeBytes { bytes in
            (try? systemCall { send(socket.number, bytes.baseAddress, bytes.count, flags) }) ?? 0
        }
    }

    /// Waits until it has ended, which it does when its connection does; after 5 s it is killed.
    ///
    /// - Returns: The signal that ended it, 0 for none.
    @discardableResult
    func end() -> Int32 {
        shutdown(socket.number, Int32(SHUT_RDWR))
        var status: Int32 = 0
        for attempt in 0..<600 {
            let ended = try? systemCall { waitpid(process, &status, WNOHANG) }
            if ended == process || ended == nil { break }
            if attempt == 500 { kill(process, SIGKILL) }
            usleep(10_000)
        }
        // wait(2): the low seven bits.
        return status & 0x7F
    }
}
