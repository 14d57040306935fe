import Archive
import CLinux
import Foundation

/// A TCP socket that connections come to.
enum ListeningSocket {
    /// - parameters:
    ///   - address: numeric; `nil` for every address of this machine
    ///   - port: 0 for any that is free
    /// - throws: ``ArchiveError`` that says why that cannot be
    static func open(_ address: String?, port: UInt16) throws(ArchiveError) -> Int32 {
        let places = try places(address, port: port)
        var error: Int32 = 0
        for place in places {
            let result = listen(at: place)
            if result.error == 0 { return result.socket }
            // Without IPv6 the next is tried; what was wrong with the first counts.
            if error == 0 || error == EAFNOSUPPORT || error == EADDRNOTAVAIL && address == nil {
                error = result.error
            }
            if result.error != EAFNOSUPPORT, result.error != EADDRNOTAVAIL { break }
        }
        throw ArchiveError(.configuration, reason(error, address, port))
    }

    private static func reason(_ error: Int32, _ address: String?, _ port: UInt16) -> String {
        switch error {
        case EADDRINUSE:
            "Port \(port) is in use, perhaps by another «pacsfs receive» or another DICOM program. «ss -ltnp sport = :\(port)» tells by which; or choose another with --port."
        case EACCES:
            "Only root may listen on port \(port), and whoever has CAP_NET_BIND_SERVICE. Choose a port from 1024 on with --port; 11112 is DICOM's."
        case EADDRNOTAVAIL:
            "This machine does not have the address \(address ?? ""). «ip address» lists those it has."
        default:
            "Nobody can listen on port \(port): \(String(cString: strerror(error)))."
        }
    }

    private typealias Place = (family: Int32, bytes: [UInt8])

    private static func places(_ address: String?, port: UInt16) throws(ArchiveError) -> [Place] {
        var hints = addrinfo()
        hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: [Place] = []
        // `::` takes IPv4 as well.
        for name in address.map({ [$0] }) ?? ["::", "0.0.0.0"] {
            var list: UnsafeMutablePointer<addrinfo>?
            guard getaddrinfo(name, String(port), &hints, &list) == 0 else { continue }
            defer { freeaddrinfo(list) }
            guard let info = list?.pointee, let address = info.ai_addr else { continue }
            found.append(
                (
                    info.ai_family,
                    Array(UnsafeRawBufferPointer(start: address, count: Int(info.ai_addrlen)))
                ))
        }
        guard !found.isEmpty else {
            throw ArchiveError(
                .configuration,
                "\(address ?? "") is no IP address. Name one of this machine's, such as 192.168.1.10, with --bind."
            )
        }
        return found
    }

    private static func listen(at place: Place) -> (socket: Int32, error: Int32) {
        let listener = socket(
            place.family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard listener >= 0 else { return (-1, errno) }
        var (on, off): (Int32, Int32) = (1, 0)
        setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
        if place.family == AF_INET6 {
            setsockopt(
                listener, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &off,
                socklen_t(MemoryLayout<Int32>.size))
        }
        let bound = place.bytes.withUnsafeBytes { bytes in
            bytes.baseAddress.map {
                bind(listener, $0.assumingMemoryBound(to: sockaddr.self), socklen_t(bytes.count))
            } ?? -1
        }
        guard bound == 0, Glibc.listen(listener, 64) == 0 else {
            let error = errno
            close(listener)
            return (-1, error)
        }
        return (listener, 0)
    }

    static func port(of socket: Int32) -> UInt16 {
        var storage = sockaddr_in6()
        var length = socklen_t(MemoryLayout<sockaddr_in6>.size)
        let result = withUnsafeMutablePointer(to: &storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                getsockname(socket, $0, &length)
            }
        }
        // The port has the same place in sockaddr_in (netinet/in.h).
        return result == 0 ? UInt16(bigEndian: storage.sin6_port) : 0
    }
}
