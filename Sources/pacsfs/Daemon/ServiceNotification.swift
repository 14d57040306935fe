import CLinux
import Foundation
import FuseServer

/// What the daemon tells systemd when that started it: datagrams to `$NOTIFY_SOCKET`, as
/// sd_notify(3) describes them.
struct ServiceNotification: Sendable {
    /// A path, or `@` and an abstract name (unix(7)); `nil` when nobody listens.
    private let address: String?

    /// - parameter environment: of this process
    init(_ environment: [String: String] = ProcessInfo.processInfo.environment) {
        address = environment["NOTIFY_SOCKET"].flatMap {
            $0.hasPrefix("/") || $0.hasPrefix("@") ? $0 : nil
        }
    }

    /// The mount can be used.
    func ready(_ status: String) { send("READY=1\nSTATUS=\(status)") }

    /// What it does now, in one line.
    func status(_ status: String) { send("STATUS=\(status)") }

    /// The configuration is being read again; ``ready(_:)`` ends that.
    func reloading() {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        send("RELOADING=1\nMONOTONIC_USEC=\(now.tv_sec * 1_000_000 + now.tv_nsec / 1000)")
    }

    func stopping() { send("STOPPING=1\nSTATUS=Finishing what is under way") }

    /// It lives.
    func alive() { send("WATCHDOG=1") }

    private func send(_ text: String) {
        guard let address else { return }
        let descriptor = socket(
            AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        var name = sockaddr_un()
        name.sun_family = sa_family_t(AF_UNIX)
        let bytes =
            address.hasPrefix("@") ? [0] + Array(address.utf8.dropFirst()) : Array(address.utf8)
        let room = MemoryLayout.size(ofValue: name.sun_path)
        guard bytes.count < room else { return }
        withUnsafeMutableBytes(of: &name.sun_path) { $0.copyBytes(from: bytes) }
        // The length says where an abstract name ends.
        let length = MemoryLayout<sockaddr_un>.size - room + bytes.count
        let message = Array(text.utf8)
        withUnsafePointer(to: &name) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                // Nothing depends on it for us: who does not hear it acts as if we had failed.
                _ = sendto(
                    descriptor, message, message.count, Int32(MSG_NOSIGNAL), $0, socklen_t(length))
            }
        }
    }
}
