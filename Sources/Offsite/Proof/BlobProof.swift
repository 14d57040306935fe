import Storage
import System

extension Digest {
    /// Reads a blob that is to go away, and proves that it has this digest.
    ///
    /// - Parameters:
    ///   - bytes: Its size.
    ///   - input: An open file that has it, from its start.
    ///   - path: Its name, for messages.
    ///   - buffer: What is read at once goes there.
    ///   - take: Gets its bytes piece by piece, before they are proven.
    /// - Throws: `corrupt` when it has other bytes, `local` when it cannot be read, and what `take`
    ///   throws.
    func prove(
        bytes: Int64, of input: Int32, path: String, through buffer: UnsafeMutableRawBufferPointer,
        _ take: (UnsafeRawBufferPointer) throws(OffsiteError) -> Void
    ) throws(OffsiteError) {
        var digest = StreamingDigest()
        while digest.bytes < bytes {
            let piece = UnsafeMutableRawBufferPointer(
                rebasing: buffer.prefix(Int(min(Int64(buffer.count), bytes - digest.bytes))))
            let count: Int
            do throws(Errno) {
                count = try FileIO.read(input, into: piece, at: digest.bytes)
            } catch {
                throw OffsiteError(
                    .local, "A copy of an image cannot be read", path: path,
                    remedy: "Another copy is tried.", cause: error)
            }
            let read = UnsafeRawBufferPointer(rebasing: piece.prefix(count))
            digest.update(read)
            try take(read)
            if count < piece.count { break }
        }
        if digest.finalize() != self {
            throw OffsiteError(
                .corrupt, "A copy of an image is damaged", path: path,
                remedy: "Another copy is tried.")
        }
    }
}
