import Archive
import CLinux
import Foundation

/// A stream socket over which lines of JSON go both ways.
final class ControlConnection {
    private let descriptor: Int32
    private var received: [UInt8] = []

    init(_ descriptor: Int32) { self.descriptor = descriptor }

    deinit { close(descriptor) }

    /// Connects to the daemon that has the archive; `nil` when none listens.
    static func connect(archive: String) -> ControlConnection? {
        guard let directory = UnixAddress.Directory(archive) else { return nil }
        let descriptor = socket(
            AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        let result = directory.address.withPointer { Glibc.connect(descriptor, $0, $1) }
        guard result == 0 else {
            close(descriptor)
            return nil
        }
        return ControlConnection(descriptor)
    }

    /// From here on an answer that does not come in this time is none.
    func limit(seconds: Int) {
        var time = timeval(tv_sec: seconds, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(descriptor, SOL_SOCKET, option, &time, socklen_t(MemoryLayout<timeval>.size))
        }
    }

    /// Tells any thread whether the other side is there.
    struct Peer: Sendable {
        fileprivate let descriptor: Int32

        /// Whether it has closed its end. Valid as long as the connection lives.
        var hasGone: Bool {
            var byte: UInt8 = 0
            let count = recv(descriptor, &byte, 1, Int32(MSG_PEEK) | Int32(MSG_DONTWAIT))
            return count == 0 || count < 0 && errno != EAGAIN && errno != EINTR
        }
    }

    var peer: Peer { Peer(descriptor: descriptor) }

    /// - throws: ``ArchiveError`` when the other side has gone
    func send(_ message: some Encodable) throws {
        let data = try JSONEncoder().encode(message) + [UInt8(ascii: "\n")]
        try data.withUnsafeBytes { bytes in
            var done = 0
            while done < bytes.count {
                let count = Glibc.send(
                    descriptor, bytes.baseAddress?.advanced(by: done), bytes.count - done,
                    Int32(MSG_NOSIGNAL))
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { throw Self.gone }
                done += count
            }
        }
    }

    /// The next message; `nil` when the other side has closed.
    func receive<Message: Decodable>(_ type: Message.Type) throws -> Message? {
        while true {
            if let end = received.firstIndex(of: UInt8(ascii: "\n")) {
                let line = Data(received[..<end])
                received.removeSubrange(...end)
                return try JSONDecoder().decode(type, from: line)
            }
            var buffer = [UInt8](repeating: 0, count: 65536)
            let count = recv(descriptor, &buffer, buffer.count, 0)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return nil }
            received.append(contentsOf: buffer[..<count])
        }
    }

    /// Sends a request and waits for its answer.
    func ask(_ request: ControlRequest) throws -> ControlResponse {
        try send(request)
        guard let response = try receive(ControlResponse.self) else { throw Self.gone }
        return response
    }

    private static let gone = ArchiveError(
        .shuttingDown, "The pacsfs daemon has ended meanwhile. Run the command again.")
}

/// The address of `control.sock`, by way of its directory's descriptor: the 108 bytes of a
/// socket's path (unix(7)) are too few for some archives.
struct UnixAddress {
    final class Directory {
        private let descriptor: Int32

        init?(_ path: String) {
            descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            guard descriptor >= 0 else { return nil }
        }

        deinit { close(descriptor) }

        var address: UnixAddress {
            UnixAddress(path: "/proc/self/fd/\(descriptor)/\(UnixAddress.name)")
        }

        func remove() { unlinkat(descriptor, UnixAddress.name, 0) }
    }

    static let name = "control.sock"
    fileprivate let path: String

    func withPointer(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) {
            $0.copyBytes(from: path.utf8.prefix($0.count - 1))
        }
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }
}
