import enum Crypto.Insecure
import Glibc
import Storage
import System

/// Writes a pack, a piece at a time, and proves each blob on the way: a damaged copy does not get
/// into a pack.
public struct PackWriter: ~Copyable {
    /// A blob that is to be in the pack.
    public struct Member: Hashable, Sendable {
        public var digest: Digest
        public var bytes: Int64

        public init(digest: Digest, bytes: Int64) {
            self.digest = digest
            self.bytes = bytes
        }
    }

    private let output: Int32
    private let path: String
    private let members: [Member]
    private var next = 0
    private var sha256 = StreamingDigest()
    private var md5 = Insecure.MD5()
    private var places: [BlobPlace] = []
    private let buffer: UnsafeMutableRawBufferPointer

    private static let bufferBytes = 1 << 18

    /// Begins a pack with the sums of its blobs.
    ///
    /// - Parameters:
    ///   - output: An empty file, open for writing as long as this lives.
    ///   - path: Its name, for messages.
    ///   - members: The blobs, sorted by their digests, each once.
    /// - Throws: `local` or `noLocalSpace`.
    public init(
        to output: Int32, path: String, members: [Member]
    ) throws(OffsiteError) {
        precondition(
            zip(members, members.dropFirst()).allSatisfy { $0.digest < $1.digest },
            "blobs of a pack are sorted, so that the same blobs give the same pack")
        self.output = output
        self.path = path
        self.members = members
        buffer = .allocate(byteCount: Self.bufferBytes, alignment: 4096)
        let sums = Pack.sums(of: members.lazy.map(\.digest))
        try write(
            TarHeader(
                name: "sums/\(Digest.of(sums).hex).sha256", bytes: Int64(sums.count)
            ).encoded)
        try write(sums)
        try pad()
    }

    deinit { buffer.deallocate() }

    /// The blob that must come next; `nil` after the last.
    public var expected: Member? { next < members.count ? members[next] : nil }

    /// Takes the blob that must come next.
    ///
    /// - Parameters:
    ///   - input: An open file that has it, from its start.
    ///   - source: Its name, for messages.
    /// - Throws: `corrupt` when it has other bytes: the pack must be thrown away then. `local`
    ///   when it cannot be read, `noLocalSpace`.
    public mutating func append(from input: Int32, path source: String) throws(OffsiteError) {
        let member = members[next]
        try write(TarHeader(name: Pack.blobName(member.digest), bytes: member.bytes).encoded)
        let offset = sha256.bytes
        try member.digest.prove(
            bytes: member.bytes, of: input, path: source, through: buffer
        ) { (bytes) throws(OffsiteError) in try write(bytes) }
        try pad()
        places.append(
            BlobPlace(digest: member.digest, object: "", offset: offset, bytes: member.bytes))
        next += 1
    }

    /// Ends the pack, after the last blob. The file is not made durable: after a crash the pack is
    /// made anew, with the same bytes.
    ///
    /// - Throws: `local` or `noLocalSpace`.
    public mutating func finish() throws(OffsiteError) -> Pack {
        precondition(next == members.count, "a pack has all the blobs that its sums name")
        try write([UInt8](repeating: 0, count: Int(TarHeader.block) * 2))
        let digest = sha256.finalize()
        let name = Pack.name(of: digest)
        return Pack(
            sha256: digest,
            md5: Pack.hex(md5.finalize()),
            bytes: sha256.bytes,
            places: places.map { place in
                var place = place
                place.object = name
                return place
            })
    }

    private mutating func pad() throws(OffsiteError) {
        let count = TarHeader.padded(sha256.bytes) - sha256.bytes
        if count > 0 { try write([UInt8](repeating: 0, count: Int(count))) }
    }

    private mutating func write(_ bytes: [UInt8]) throws(OffsiteError) {
        // Not inside of a closure, which may not change this value.
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 16)
        defer { copy.deallocate() }
        copy.copyBytes(from: bytes)
        try write(UnsafeRawBufferPointer(copy))
    }

    private mutating func write(_ bytes: UnsafeRawBufferPointer) throws(OffsiteError) {
        do throws(Errno) {
            try FileIO.write(output, bytes, at: sha256.bytes)
        } catch {
            let isFull = error.code == ENOSPC || error.code == EDQUOT
            throw OffsiteError(
                isFull ? .noLocalSpace : .local, "A pack cannot be written", path: path,
                remedy: isFull
                    ? "Make room on this machine's disk." : "See the log.",
                cause: error)
        }
        sha256.update(bytes)
        md5.update(bufferPointer: bytes)
    }
}
