import CLinux
import Foundation
import System

/// Messages of the daemon to systemd, if that has started it: datagrams to `$NOTIFY_SOCKET`, as
/// sd_notify(3) describes them.
struct ServiceNotification: Sendable {
    /// A path, or `@` and an abstract name (unix(7)); `nil` when nobody listens.
    private let address: String?

    /// - Parameter environment: Of this process.
    init(_ environment: [String: String] = ProcessInfo.processInfo.environment) {
        address = environment["NOTIFY_SOCKET"].flatMap {
            $0.hasPrefix("/") || $0.hasPrefix("@") ? $0 : nil
        }
    }

    /// The mount can be used.
    func ready(_ status: String) { send("READY=1\nSTATUS=\(status)") }

    /// - Parameter status: What the daemon does now, in one line.
    func status(_ status: String) { send("STATUS=\(status)") }

    /// The configuration is being read again; ``ready(_:)`` ends that.
    func reloading() {
        send("RELOADING=1\nMONOTONIC_USEC=\(SystemClock().now / 1000)")
    }

    func stopping() { send("STOPPING=1\nSTATUS=Finishing what is under way") }

    /// The daemon lives.
    func alive() { send("WATCHDOG=1") }

    private func send(_ text: String) {
        guard let address else { return }
        let number = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard number >= 0 else { return }
        let datagrams = Descriptor(owning: number)
        var name = sockaddr_un()
        name.sun_family = sa_family_t(AF_UNIX)
        let bytes =
            address.hasPrefix("@") ? [0] + Array(address.utf8.dropFirst()) : Array(address.utf8)
        let longest = MemoryLayout.size(ofValue: name.sun_path)
        guard bytes.count < longest else { return }
        withUnsafeMutableBytes(of: &name.sun_path) { $0.copyBytes(from: bytes) }
        // The length says where an abstract name ends.
        let length = socklen_t(MemoryLayout<sockaddr_un>.size - longest + bytes.count)
        let message = Array(text.utf8)
        withUnsafePointer(to: &name) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                // If it does not arrive, systemd acts as if the daemon had failed.
                _ = sendto(
                    datagrams.number, message, message.count, Int32(MSG_NOSIGNAL), $0, length)
            }
        }
    }
}
