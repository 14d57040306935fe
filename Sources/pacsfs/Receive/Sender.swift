import CLinux
import Foundation

/// A connection from a DICOM sender.
final class Sender: Sendable {
    let socket: Int32
    /// Its address, without the port.
    let address: String

    /// - parameter socket: of TCP; closed when this goes
    init(_ socket: Int32) {
        self.socket = socket
        var on: Int32 = 1
        // Answers are short, and the sender waits for each.
        setsockopt(
            socket, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
        // One that has lost its power says no goodbye.
        setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &on, socklen_t(MemoryLayout<Int32>.size))
        for (option, value) in [(TCP_KEEPIDLE, Int32(60)), (TCP_KEEPINTVL, 10), (TCP_KEEPCNT, 6)] {
            var value = value
            setsockopt(
                socket, Int32(IPPROTO_TCP), option, &value, socklen_t(MemoryLayout<Int32>.size))
        }
        var timeout = timeval(tv_sec: 60, tv_usec: 0)
        setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        address = Self.address(of: socket)
    }

    deinit { close(socket) }

    private static func address(of socket: Int32) -> String {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        var host = [CChar](repeating: 0, count: Int(NI_MAXHOST))
        let result = withUnsafeMutablePointer(to: &storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                getpeername(socket, pointer, &length) == 0
                    ? getnameinfo(
                        pointer, length, &host, socklen_t(host.count), nil, 0, NI_NUMERICHOST) : -1
            }
        }
        guard result == 0 else { return "unknown" }
        let text = String(
            decoding: host.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        // IPv4 by way of an IPv6 socket (RFC 4291 section 2.5.5.2).
        return text.hasPrefix("::ffff:") ? String(text.dropFirst(7)) : text
    }

    /// Sends all of it; false when it cannot be.
    func send(_ unit: ProtocolDataUnit) -> Bool {
        unit.bytes.withUnsafeBytes { bytes in
            var done = 0
            while done < bytes.count {
                let count = Glibc.send(
                    socket, bytes.baseAddress?.advanced(by: done), bytes.count - done,
                    Int32(MSG_NOSIGNAL))
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { return false }
                done += count
            }
            return true
        }
    }

    /// Ends the connection, from any thread.
    func hangUp() { shutdown(socket, Int32(SHUT_RDWR)) }
}
