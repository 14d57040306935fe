import enum Crypto.Insecure
import Storage

extension OutgoingObject {
    /// A blob that is to go away as an object of its own, after its bytes were read and are what
    /// they should be. The server is to say the same hashes.
    ///
    /// - Parameters:
    ///   - input: An open file, read from its start.
    ///   - path: Its name, for messages.
    /// - Throws: `corrupt` when it has other bytes, `local` when it cannot be read.
    public init(
        proving digest: Digest, bytes: Int64, from input: Int32, path: String
    ) throws(OffsiteError) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 4096)
        defer { buffer.deallocate() }
        var md5 = Insecure.MD5()
        try digest.prove(bytes: bytes, of: input, path: path, through: buffer) {
            md5.update(bufferPointer: $0)
        }
        self.init(
            name: Pack.blobName(digest), bytes: bytes,
            hashes: [.sha256: digest.hex, .md5: Pack.hex(md5.finalize())])
    }
}
