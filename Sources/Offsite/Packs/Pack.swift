import Storage

/// A plain tar file that holds small blobs of one series.
///
///     sums/<sha256>.sha256           what "sha256sum -c" takes: the digest and name of each blob
///     blobs/ab/cd/<sha256>.dcm       the blobs, in the order of their digests
///
/// Every header is ustar without extensions; times, owners and modes are always the same, so that
/// the same blobs always give the same bytes. On the remote it is `packs/ab/<sha256>.tar`, named
/// after its own bytes. By hand, in an empty folder, for any number of packs:
///
///     for pack in packs/*/*.tar; do tar xf "$pack"; done; cat sums/* | sha256sum -c --quiet
///
/// See: 'man 5 tar'
public struct Pack: Sendable {
    public var sha256: Digest
    /// In hexadecimal, as many servers say it.
    public var md5: String
    public var bytes: Int64
    /// Where each blob lies in it, in the order of their digests.
    public var places: [BlobPlace]

    /// Its name on the remote.
    public var name: String { Self.name(of: sha256) }

    static func name(of digest: Digest) -> String {
        "packs/\(digest.hex.prefix(2))/\(digest.hex).tar"
    }

    /// The file as a batch takes it.
    public var outgoing: OutgoingObject {
        OutgoingObject(name: name, bytes: bytes, hashes: [.sha256: sha256.hex, .md5: md5])
    }

    /// Blobs from this size on are objects of their own.
    public static let singleBytes: Int64 = 4 << 20
    /// No pack has more.
    public static let mostBytes: Int64 = 64 << 20

    /// The path of a blob, in a pack and as an object of its own.
    public static func blobName(_ digest: Digest) -> String {
        let hex = digest.hex
        return "blobs/\(hex.prefix(2))/\(hex.dropFirst(2).prefix(2))/\(hex).dcm"
    }

    /// The digest of a blob's path; `nil` when it is no such path.
    public static func digest(ofBlobName name: String) -> Digest? {
        guard name.utf8.count == 80, let digest = Digest(hex: name.dropFirst(12).dropLast(4)),
            blobName(digest) == name
        else { return nil }
        return digest
    }

    /// A digest as servers write it.
    static func hex(_ bytes: some Sequence<UInt8>) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    /// The bytes that a blob adds to a pack: a header, its bytes in whole blocks, and its line of
    /// the sums.
    static func bytes(of blob: Int64) -> Int64 {
        TarHeader.block + TarHeader.padded(blob) + Int64(sumLineBytes)
    }

    /// What a pack has besides: the header of the sums, the rest of their last block, and the end.
    static let bytesBesides = TarHeader.block * 4

    /// 64 digits, two spaces, the path and a newline.
    private static let sumLineBytes = 64 + 2 + 80 + 1

    /// The content of the file of sums.
    static func sums(of digests: some Sequence<Digest>) -> [UInt8] {
        Array(digests.map { "\($0.hex)  \(blobName($0))\n" }.joined().utf8)
    }
}
