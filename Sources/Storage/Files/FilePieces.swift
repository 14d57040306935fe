import System

extension FileIO {
    /// A part of a file.
    enum Piece {
        /// Bytes, and where they are; valid during the call.
        case data(UnsafeRawBufferPointer, at: Int64)
        /// Nothing was written there, which reads as zeros.
        case hole(Range<Int64>)
    }

    /// Calls `body` with the first `bytes` bytes of an open file, in their order.
    ///
    /// - Parameters:
    ///   - path: The file's name, for error messages.
    ///   - body: Returns whether to go on.
    /// - Throws: `io` when it cannot be read, `corrupt` when it is shorter.
    static func forEachPiece(
        of descriptor: Int32, bytes: Int64, path: String, _ body: (Piece) -> Bool
    ) throws(StorageError) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 4096)
        defer { buffer.deallocate() }
        var extents = FileExtents(of: descriptor, bytes: bytes)
        while let extent = try next(&extents, path) {
            if extent.isHole {
                guard body(.hole(extent.range)) else { return }
                continue
            }
            var offset = extent.range.lowerBound
            while offset < extent.range.upperBound {
                let piece = UnsafeMutableRawBufferPointer(
                    rebasing: buffer.prefix(
                        Int(min(Int64(buffer.count), extent.range.upperBound - offset))))
                let count = try read(descriptor, into: piece, at: offset, path: path)
                guard count == piece.count else {
                    throw tooShort(offset + Int64(count), bytes, path)
                }
                guard body(.data(UnsafeRawBufferPointer(piece), at: offset)) else { return }
                offset += Int64(count)
            }
        }
        // What lies beyond the end looks like a hole.
        let size = try FileFacts.of(descriptor, path: path).bytes
        if size < bytes { throw tooShort(size, bytes, path) }
    }

    /// How many of the first `bytes` bytes of a file are not in holes.
    ///
    /// - Throws: `io` when the file system does not answer.
    public static func dataBytes(
        of descriptor: Int32, bytes: Int64, path: String
    ) throws(StorageError) -> Int64 {
        do throws(Errno) {
            return try FileExtents.dataBytes(of: descriptor, bytes: bytes)
        } catch { throw .read(error, path) }
    }

    private static func next(
        _ extents: inout FileExtents, _ path: String
    ) throws(StorageError) -> FileExtents.Extent? {
        do throws(Errno) { return try extents.next() } catch { throw .read(error, path) }
    }

    private static func tooShort(_ end: Int64, _ bytes: Int64, _ path: String) -> StorageError {
        StorageError(
            .corrupt, "ends after \(end) bytes, \(bytes) were expected", path: path,
            remedy: "Heal it from another volume")
    }
}
