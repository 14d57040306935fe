import Foundation
import Glibc
import System
import TestSupport

/// A server on this machine's loopback address that a test has started, and that ends with it.
public final class Server: Sendable {
    public let port: Int
    private let child: ChildProcess
    private let said: Words

    /// Starts a program.
    ///
    /// - Parameters:
    ///   - port: On which it will listen; there is somebody when this returns.
    /// - Throws: ``ProgramError`` when it does not listen within half a minute.
    public init(_ arguments: [String], port: Int) throws {
        self.port = port
        var variables = ProcessInfo.processInfo.environment
        for name in variables.keys where name.hasPrefix("RCLONE") || name.hasPrefix("AWS") {
            variables[name] = nil
        }
        variables["RCLONE_CONFIG"] = "/dev/null"
        let child = try ChildProcess(arguments, variables: variables)
        let said = Words()
        self.child = child
        self.said = said
        _ = try WorkerThread("server") {
            _ = child.run { piece in
                switch piece {
                case .output(let bytes), .errors(let bytes): said.append(bytes)
                }
            }
        }
        guard eventually({ Self.accepts(port) }) else {
            child.signal(SIGKILL)
            throw ProgramError(
                description: "\(arguments.joined(separator: " ")): nobody listens. \(said.text)")
        }
    }

    private final class Words: Sendable {
        private let bytes = Lock<[UInt8]>([])

        func append(_ more: UnsafeRawBufferPointer) {
            let more = [UInt8](more)
            bytes.withLock { $0 = Array(($0 + more).suffix(4000)) }
        }

        var text: String { String(decoding: bytes.withLock { $0 }, as: UTF8.self) }
    }

    /// The last that it said.
    public var words: String { said.text }

    public func stop() { child.signal(SIGKILL) }

    deinit { stop() }

    /// Whether somebody listens.
    public static func accepts(_ port: Int) -> Bool {
        (try? connection(to: port)) != nil
    }

    private static func socket() throws(Errno) -> SharedDescriptor {
        SharedDescriptor(
            owning: try systemCall {
                Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
            })
    }

    private static func connection(to port: Int) throws(Errno) -> SharedDescriptor {
        let socket = try Self.socket()
        try with(address(port)) { (address, length) throws(Errno) in
            try systemCall { connect(socket.number, address, length) }
        }
        return socket
    }

    /// A socket that accepts connections and never answers.
    public static func silent() throws -> (SharedDescriptor, port: Int) {
        let socket = try bound(0)
        try systemCall { listen(socket.number, 64) }
        return (socket, try port(of: socket))
    }

    private static func bound(_ port: Int) throws(Errno) -> SharedDescriptor {
        let socket = try Self.socket()
        try with(address(port)) { (address, length) throws(Errno) in
            try systemCall { bind(socket.number, address, length) }
        }
        return socket
    }

    private static func port(of socket: SharedDescriptor) throws(Errno) -> Int {
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        try withUnsafeMutableBytes(of: &address) { (bytes) throws(Errno) in
            let pointer = bytes.baseAddress!.assumingMemoryBound(to: sockaddr.self)
            try systemCall { getsockname(socket.number, pointer, &length) }
        }
        return Int(UInt16(bigEndian: address.sin_port))
    }

    private static func address(_ port: Int) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return address
    }

    private static func with(
        _ address: sockaddr_in, _ body: (UnsafePointer<sockaddr>, socklen_t) throws(Errno) -> Void
    ) throws(Errno) {
        try withUnsafeBytes(of: address) { (bytes) throws(Errno) in
            try body(
                bytes.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t(bytes.count))
        }
    }

    /// A port on which nobody listens.
    public static func freePort() throws -> Int { try port(of: try bound(0)) }

    /// A port on which nobody listens, nor on the one that is 10,000 further: `weed` takes both.
    public static func freeWeedPort() throws -> Int {
        for _ in 0..<100 {
            let port = Int.random(in: 11_000..<20_000)
            if (try? bound(port)) != nil, (try? bound(port + 10_000)) != nil { return port }
        }
        throw ProgramError(description: "no two free ports were found")
    }
}
