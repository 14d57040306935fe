/// One place away from this machine, and how it is used.
public struct RemoteConfiguration: Hashable, Sendable {
    /// As commands and the ledger call it: lower-case letters, digits and hyphens.
    public var name: String
    public var location: RemoteLocation
    /// `nil` when nothing is encrypted.
    public var keys: CryptKeys?
    /// The most bytes a second that a push or a drill may take; `nil` for no limit.
    public var bandwidth: Int64?
    /// When it may be pushed to; `nil` for always.
    public var hours: PushHours?

    /// - Throws: `configuration` when something of it makes no sense.
    public init(
        name: String, location: RemoteLocation, keys: CryptKeys? = nil, bandwidth: Int64? = nil,
        hours: PushHours? = nil
    ) throws(OffsiteError) {
        self.name = name
        self.location = location
        self.keys = keys
        self.bandwidth = bandwidth
        self.hours = hours
        guard Self.isName(name) else {
            throw OffsiteError(
                .configuration, "\"\(name)\" cannot be the name of a remote",
                remedy: "Use at most 32 lower-case letters, digits and hyphens.")
        }
        // rclone reads a rate of 0 as no limit at all.
        if let bandwidth, bandwidth < 1024 {
            throw OffsiteError(
                .configuration, "A remote that may take \(bandwidth) bytes a second never ends",
                remedy: "Give it at least 1 KiB a second, or leave out the limit.")
        }
        try location.check()
    }

    /// Names stand in the ledger, in file names and in messages.
    public static func isName(_ text: String) -> Bool {
        let isPlain = text.utf8.allSatisfy { byte in
            (0x61...0x7A).contains(byte) || (0x30...0x39).contains(byte) || byte == 0x2D
        }
        return isPlain && (1...32).contains(text.utf8.count) && !text.hasPrefix("-")
    }

    public var isEncrypted: Bool { keys != nil }

    /// The size of an object on the remote, in bytes, when what goes there has `bytes`.
    ///
    /// See: https://rclone.org/crypt, "File formats": 32 bytes, and 16 for each 64 KiB.
    public func remoteBytes(of bytes: Int64) -> Int64 {
        isEncrypted ? 32 + bytes + 16 * ((bytes + 65535) / 65536) : bytes
    }
}
