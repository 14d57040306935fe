import Storage

/// A kind of hash, by the name that rclone gives it.
public struct HashKind: Hashable, Sendable, CustomStringConvertible {
    /// In lower case: `md5`, `sha1`, `sha256`, `quickxor`, `dropbox`.
    public let name: String

    public init(_ name: String) { self.name = name.lowercased() }

    public static let sha256 = HashKind("sha256")
    public static let sha1 = HashKind("sha1")
    public static let md5 = HashKind("md5")

    public var description: String { name }

    /// Those that nobody can forge come first, then those that no accident matches.
    private static let order = [
        "sha256", "dropbox", "sha1", "md5", "whirlpool", "hidrive", "mailru", "quickxor", "crc32",
    ]

    /// The best of those that a remote has; `nil` when it has none.
    public static func best(of kinds: some Collection<HashKind>) -> HashKind? {
        order.lazy.map { HashKind($0) }.first { kinds.contains($0) }
            ?? kinds.min { $0.name < $1.name }
    }
}

/// What the server says of the content of an object.
public struct PinnedHash: Hashable, Sendable {
    public var kind: HashKind
    /// As the server writes it, in lower case.
    public var hex: String

    public init(kind: HashKind, hex: String) {
        self.kind = kind
        self.hex = hex.lowercased()
    }
}

/// What an object on a remote must be, recorded after it was proven.
public struct Pin: Hashable, Sendable {
    /// Its name on the server, encrypted if the remote is.
    public var object: String
    /// Its size on the server.
    public var bytes: Int64
    /// `nil` when this kind of remote keeps no hashes: size only.
    public var hash: PinnedHash?

    public init(object: String, bytes: Int64, hash: PinnedHash?) {
        self.object = object
        self.bytes = bytes
        self.hash = hash
    }
}

/// Where a blob lies on a remote: a range of an object.
public struct BlobPlace: Hashable, Sendable {
    public var digest: Digest
    /// The object's plain name.
    public var object: String
    /// Where its bytes begin in the plain object.
    public var offset: Int64
    public var bytes: Int64

    public init(digest: Digest, object: String, offset: Int64, bytes: Int64) {
        self.digest = digest
        self.object = object
        self.offset = offset
        self.bytes = bytes
    }

    /// Its bytes in the plain object.
    public var range: Range<Int64> { offset..<offset + bytes }
}
