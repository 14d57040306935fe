import CLinux
import Foundation
import System

/// A connection from a DICOM sender.
final class Sender: Sendable {
    let socket: SharedDescriptor
    /// Its address, without the port.
    let address: String
    private let state: Lock<AssociationPlaces.Held>

    /// - Parameter socket: A connection of TCP.
    init(_ socket: consuming Descriptor) {
        self.socket = SharedDescriptor(socket)
        let number = self.socket.number
        // Answers are short, and the sender waits for each.
        Self.set(number, Int32(IPPROTO_TCP), TCP_NODELAY, Int32(1))
        // A sender that has lost its power says no goodbye.
        Self.set(number, SOL_SOCKET, SO_KEEPALIVE, Int32(1))
        Self.set(number, Int32(IPPROTO_TCP), TCP_KEEPIDLE, Int32(60))
        Self.set(number, Int32(IPPROTO_TCP), TCP_KEEPINTVL, Int32(10))
        Self.set(number, Int32(IPPROTO_TCP), TCP_KEEPCNT, Int32(6))
        Self.set(number, SOL_SOCKET, SO_SNDTIMEO, timeval(tv_sec: 60, tv_usec: 0))
        address = Self.address(of: number)
        state = Lock(
            AssociationPlaces.Held(
                address: address, lastHeard: SystemClock().now, isAsking: true))
    }

    /// What its place depends on.
    var held: AssociationPlaces.Held { state.withLock { $0 } }

    /// Something came from it, or went to it.
    func note() { state.withLock { $0.lastHeard = SystemClock().now } }

    /// Its request has come whole.
    func asked() { state.withLock { $0.isAsking = false } }

    /// Calls `body`, during which it waits for an answer and is not called silent.
    func waiting<R>(_ body: () -> R) -> R {
        state.withLock { $0.lastHeard = .max }
        defer { note() }
        return body()
    }

    /// Ends the bytes that it gets.
    func endSending() { shutdown(socket.number, Int32(SHUT_WR)) }

    private static func set<Value: BitwiseCopyable>(
        _ socket: Int32, _ level: Int32, _ option: Int32, _ value: Value
    ) {
        var value = value
        setsockopt(socket, level, option, &value, socklen_t(MemoryLayout<Value>.size))
    }

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

    /// Sends all of it.
    ///
    /// - Returns: False when the sender has gone.
    func send(_ unit: ProtocolDataUnit) -> Bool { Socket.send(unit.bytes, to: socket.number) }

    /// Ends the connection, from any thread.
    func hangUp() { shutdown(socket.number, Int32(SHUT_RDWR)) }
}
