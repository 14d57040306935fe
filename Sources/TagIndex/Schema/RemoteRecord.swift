/// A place away from this machine, and what is known to be there.
public struct RemoteRecord: Equatable, Sendable {
    /// The result of the last attempt to destroy objects there.
    public struct WipeTest: Equatable, Sendable {
        /// When, ns since 1970.
        public var time: Int64
        /// The words of the ledger: `refused`, `hidden`, `done`.
        public var overwrite: String
        public var delete: String
        /// `nil` where objects are not locked.
        public var shorten: String?

        public init(time: Int64, overwrite: String, delete: String, shorten: String?) {
            (self.time, self.overwrite) = (time, overwrite)
            (self.delete, self.shorten) = (delete, shorten)
        }
    }

    /// `remote.id`; 0 before it has a row.
    public var id: Int64 = 0
    public var name: String
    /// A UUID.
    public var uuid: String
    /// How objects are encrypted; `nil` when they are not.
    public var cipher: String?
    /// The kind of hash that the server keeps; `nil` when it keeps none.
    public var hash: String?
    /// When it was added, ns since 1970.
    public var added: Int64
    /// Images that are there.
    public var images: Int64 = 0
    /// The bytes of these images.
    public var bytes: Int64 = 0
    /// When something was last brought there, ns since 1970.
    public var pushed: Int64?
    /// When it was last compared with a listing, ns since 1970.
    public var checked: Int64?
    /// How many of the newest objects were gone together then.
    public var rolledBack: Int64 = 0
    public var wipeTest: WipeTest?

    public init(name: String, uuid: String, cipher: String?, hash: String?, added: Int64) {
        (self.name, self.uuid, self.cipher) = (name, uuid, cipher)
        (self.hash, self.added) = (hash, added)
    }
}

/// An object on a remote as it must be.
public struct ObjectRecord: Equatable, Sendable {
    /// `object.id`; 0 before it has a row.
    public var id: Int64 = 0
    /// Its name before it is encrypted.
    public var name: String
    /// Its name on the server; `nil` when it is the same.
    public var serverName: String?
    /// Its size before it is encrypted.
    public var bytes: Int64
    /// What the server says of its content.
    public var hash: String?
    /// When its lock ends, ns since 1970; `nil` when it has none.
    public var lockedUntil: Int64?
    /// The last record in it, when it is a piece of the ledger.
    public var through: Int64?
    /// When it was last read whole, ns since 1970.
    public var proven: Int64
    /// What is wrong with it; `nil` when nothing is.
    public var fault: String?
    /// When it was last brought there, ns since 1970.
    public var recorded: Int64 = 0

    public init(
        name: String, serverName: String?, bytes: Int64, hash: String?, lockedUntil: Int64?,
        through: Int64?, proven: Int64, fault: String? = nil
    ) {
        (self.name, self.serverName, self.bytes) = (name, serverName, bytes)
        (self.hash, self.lockedUntil, self.through) = (hash, lockedUntil, through)
        (self.proven, self.fault) = (proven, fault)
    }
}

/// Where an image lies on a remote.
public struct OffsiteRow: Equatable, Sendable {
    /// The name of the remote.
    public var remote: String
    /// The object's name before it is encrypted.
    public var object: String
    /// Where the image begins in it.
    public var offset: Int64
    /// The size of the image.
    public var bytes: Int64
    /// When the object was brought there, ns since 1970.
    public var recorded: Int64
}

/// An image that is not yet on a remote.
public struct PendingImage: Equatable, Sendable {
    /// `instance.id`.
    public var id: Int64
    /// `series.id`.
    public var series: Int64
    /// The digest, 32 bytes.
    public var sha256: [UInt8]
    public var bytes: Int64
    /// When it was archived, ns since 1970.
    public var received: Int64
}
