import enum Crypto.Insecure
import Storage
import System

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
        var sha256 = StreamingDigest()
        var md5 = Insecure.MD5()
        while sha256.bytes < bytes {
            let piece = UnsafeMutableRawBufferPointer(
                rebasing: buffer.prefix(Int(min(Int64(buffer.count), bytes - sha256.bytes))))
            let count: Int
            do throws(Errno) {
                count = try FileIO.read(input, into: piece, at: sha256.bytes)
            } catch {
                throw OffsiteError(
                    .local, "A copy of an image cannot be read", path: path,
                    remedy: "Another copy is tried.", cause: error)
            }
            let read = UnsafeRawBufferPointer(rebasing: piece.prefix(count))
            sha256.update(read)
            md5.update(bufferPointer: read)
            if count < piece.count { break }
        }
        guard sha256.finalize() == digest else {
            throw OffsiteError(
                .corrupt, "A copy of an image is damaged", path: path,
                remedy: "Another copy is tried.")
        }
        self.init(
            name: Pack.blobName(digest), bytes: bytes,
            hashes: [.sha256: digest.hex, .md5: Pack.hex(md5.finalize())])
    }
}
