import Glibc
import Storage

/// A member of a zip archive, unpacked into a file without a name.
struct ZipMemberFile {
    let open: IngestFile
    let bytes: Int64
    let digest: Digest
    /// Why it is not an image, if its first bytes show that.
    let refusal: String?

    /// - Parameters:
    ///   - staging: The volume that gets the file.
    ///   - checking: Called with the number of bytes so far; throws when there are too many.
    /// - Throws: ``ZipError`` for a damaged member, `StorageError` when the volume fails or is
    ///   full.
    init(
        _ reader: ZipReader, _ member: ZipReader.Member, on staging: StagingArea,
        checking: (Int64) throws(ZipError) -> Void
    ) throws {
        try staging.volume.requireSpace(for: member.bytes)
        let file = try staging.volume.makeUnnamedFile()
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 4096)
        defer { buffer.deallocate() }
        var hash = StreamingDigest()
        var isZip = false
        while true {
            let count = try reader.read(into: buffer)
            if count == 0 { break }
            let piece = UnsafeRawBufferPointer(rebasing: buffer.prefix(count))
            if hash.bytes == 0 { isZip = ZipReader.isZip(ArraySlice(piece.prefix(132))) }
            try file.write(piece, at: hash.bytes)
            hash.update(piece)
            try checking(hash.bytes)
        }
        open = IngestFile(file.descriptor, owner: file)
        bytes = hash.bytes
        digest = hash.finalize()
        refusal =
            if bytes == 0 { "It is empty (0 bytes)." } else if isZip {
                """
                It is a zip archive within a zip archive, which is not unpacked. Unpack it \
                yourself and copy the images.
                """
            } else { nil }
    }
}
