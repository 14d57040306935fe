import CLinux
import Glibc
import System

/// A TCP socket that waits for connections.
enum ListeningSocket {
    /// - Parameters:
    ///   - address: Numeric; `nil` for every address of this machine.
    ///   - port: 0 for any free one.
    /// - Throws: ``CommandError`` when nobody can listen there.
    static func open(_ address: String?, port: UInt16) throws(CommandError) -> Descriptor {
        var problem = Errno(EADDRNOTAVAIL)
        for (index, endpoint) in try endpoints(address, port: port).enumerated() {
            do throws(Errno) {
                return try listen(at: endpoint)
            } catch {
                // Without IPv6 the next endpoint is tried; the first problem is the one to print.
                let isAbsent = error.code == EAFNOSUPPORT || error.code == EADDRNOTAVAIL
                if index == 0 || problem.code == EAFNOSUPPORT
                    || problem.code == EADDRNOTAVAIL && address == nil
                {
                    problem = error
                }
                if !isAbsent { break }
            }
        }
        throw Self.problem(problem, address, port)
    }

    private static func problem(_ error: Errno, _ address: String?, _ port: UInt16) -> CommandError
    {
        switch error.code {
        case EADDRINUSE:
            CommandError(
                .wrongArgument,
                "Port \(port) is in use, perhaps by another \"pacsfs receive\" or another DICOM "
                    + "program",
                remedy: "\"ss -ltnp sport = :\(port)\" shows which; or choose another with --port.")
        case EACCES:
            CommandError(
                .notAllowed,
                "Only root and processes with CAP_NET_BIND_SERVICE may listen on port \(port)",
                remedy: "Choose a port from 1024 on with --port; 11112 is registered for DICOM.")
        case EADDRNOTAVAIL:
            CommandError(
                .wrongArgument, "This machine does not have the address \(address ?? "")",
                remedy: "\"ip address\" lists those it has.")
        default:
            CommandError(.system, "Nobody can listen on port \(port)", cause: error)
        }
    }

    /// A socket address, and the family it is of.
    private typealias Endpoint = (family: Int32, bytes: [UInt8])

    private static func endpoints(_ address: String?, port: UInt16) throws(CommandError)
        -> [Endpoint]
    {
        var hints = addrinfo()
        hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: [Endpoint] = []
        // `::` takes IPv4 as well.
        for name in address.map({ [$0] }) ?? ["::", "0.0.0.0"] {
            var list: UnsafeMutablePointer<addrinfo>?
            guard getaddrinfo(name, String(port), &hints, &list) == 0 else { continue }
            defer { freeaddrinfo(list) }
            guard let info = list?.pointee, let address = info.ai_addr else { continue }
            let bytes = UnsafeRawBufferPointer(start: address, count: Int(info.ai_addrlen))
            found.append((info.ai_family, Array(bytes)))
        }
        guard !found.isEmpty else {
            throw CommandError(
                .wrongArgument, "\(address ?? "") is not an IP address",
                remedy: "Name one of this machine, such as 192.168.1.10, with --bind.")
        }
        return found
    }

    private static func listen(at endpoint: Endpoint) throws(Errno) -> Descriptor {
        let listener = Descriptor(
            owning: try systemCall {
                socket(
                    endpoint.family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
            })
        let number = listener.number
        var (on, off): (Int32, Int32) = (1, 0)
        setsockopt(number, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
        if endpoint.family == AF_INET6 {
            setsockopt(
                number, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &off, socklen_t(MemoryLayout<Int32>.size))
        }
        try systemCall {
            endpoint.bytes.withUnsafeBytes { bytes in
                bytes.baseAddress.map {
                    bind(number, $0.assumingMemoryBound(to: sockaddr.self), socklen_t(bytes.count))
                } ?? 0
            }
        }
        try systemCall { Glibc.listen(number, 64) }
        return listener
    }

    static func port(of socket: Int32) -> UInt16 {
        var storage = sockaddr_in6()
        var length = socklen_t(MemoryLayout<sockaddr_in6>.size)
        let result = withUnsafeMutablePointer(to: &storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                getsockname(socket, $0, &length)
            }
        }
        // The port is at the same offset in sockaddr_in (netinet/in.h).
        return result == 0 ? UInt16(bigEndian: storage.sin6_port) : 0
    }
}
