import CLinux
import Foundation
import System

/// A stream socket over which lines go both ways.
final class ControlConnection {
    private let socket: SharedDescriptor
    private var received: [UInt8] = []

    init(_ socket: SharedDescriptor) { self.socket = socket }

    /// Connects to the daemon that has the archive.
    ///
    /// - Returns: `nil` when none listens.
    static func connect(archive: String) -> ControlConnection? {
        do throws(Errno) {
            let directory = try ControlSocketDirectory(archive)
            let socket = try Descriptor.unixSocket()
            let number = socket.number
            try directory.withAddress { (address, length) throws(Errno) in
                try systemCall { Glibc.connect(number, address, length) }
            }
            return ControlConnection(SharedDescriptor(socket))
        } catch {
            return nil
        }
    }

    /// From now on a line that does not come in this time counts as the end.
    func limit(seconds: Int) {
        var time = timeval(tv_sec: seconds, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(
                socket.number, SOL_SOCKET, option, &time, socklen_t(MemoryLayout<timeval>.size))
        }
    }

    /// The other side, as any thread may see it.
    struct Peer: Sendable {
        fileprivate let socket: Int32

        /// Whether it has closed its end. Valid as long as the connection lives.
        var hasGone: Bool {
            var byte: UInt8 = 0
            let flags = Int32(MSG_PEEK) | Int32(MSG_DONTWAIT)
            do throws(Errno) {
                return try systemCall { recv(socket, &byte, 1, flags) } == 0
            } catch {
                return error.code != EAGAIN
            }
        }
    }

    var peer: Peer { Peer(socket: socket.number) }

    /// Sends a line.
    ///
    /// - Returns: False when the other side has gone.
    func send(_ line: Data) -> Bool { Socket.send(line + [UInt8(ascii: "\n")], to: socket.number) }

    /// The next line, without its newline.
    ///
    /// - Returns: `nil` when the other side has closed.
    func receive() -> Data? {
        var buffer = [UInt8](repeating: 0, count: 65536)
        while true {
            if let end = received.firstIndex(of: UInt8(ascii: "\n")) {
                let line = Data(received[..<end])
                received.removeSubrange(...end)
                return line
            }
            let count = Socket.receive(from: socket.number, into: &buffer)
            if count == 0 { return nil }
            received.append(contentsOf: buffer[..<count])
        }
    }
}
