import Glibc
import System

// Files that say that they are terabytes, and of which next to nothing was written. To hash the
// zeros of their holes would take hours.
extension Digest {
    /// The most bytes of holes of a file that is hashed whole, besides as many as it has data.
    public static let mostHoles: Int64 = 1 << 30

    private static let block = 4096

    /// Whether a file has so many holes that it is not hashed whole.
    ///
    /// - Parameter path: The file's name, for error messages.
    /// - Throws: `io` when the file system does not answer.
    public static func isTooSparse(
        descriptor: Int32, bytes: Int64, path: String
    ) throws(StorageError) -> Bool {
        guard bytes > mostHoles else { return false }
        let data = try FileIO.dataBytes(of: descriptor, bytes: bytes, path: path)
        return bytes - data > data + mostHoles
    }

    /// What stands for the bytes of a file that is set aside: the digest of its bytes. When more
    /// than ``mostHoles`` of it are blocks of 4,096 zeros, it is the digest of its size and of the
    /// other blocks with their offsets. README describes it ("Format 1", reject). It takes as long
    /// as what was written, and is the same wherever the holes are kept.
    ///
    /// - Parameter path: The file's name, for error messages.
    /// - Throws: `io` when it cannot be read, `corrupt` when it is shorter.
    public static func ofRejected(
        descriptor: Int32, bytes: Int64, path: String
    ) throws(StorageError) -> Digest {
        var hash = StreamingDigest()
        var zeros: Int64 = 0
        try FileIO.forEachPiece(of: descriptor, bytes: bytes, path: path) { piece in
            switch piece {
            case .data(let data, _):
                if bytes > mostHoles {
                    forEachBlock(of: data) { if isZero($0) { zeros += Int64($0.count) } }
                }
                hash.update(data)
            case .hole(let hole):
                zeros += hole.upperBound - hole.lowerBound
                if zeros <= mostHoles { Zeros.forEach(in: hole) { hash.update($0) } }
            }
            return zeros <= mostHoles
        }
        return zeros <= mostHoles
            ? hash.finalize()
            : try ofBlocks(descriptor: descriptor, bytes: bytes, path: path)
    }

    private static func ofBlocks(
        descriptor: Int32, bytes: Int64, path: String
    ) throws(StorageError) -> Digest {
        var hash = StreamingDigest()
        Array("pacsfs blocks of \(bytes)\n".utf8).withUnsafeBytes { hash.update($0) }
        try FileIO.forEachPiece(of: descriptor, bytes: bytes, path: path) { piece in
            guard case .data(let data, var offset) = piece else { return true }
            forEachBlock(of: data) { block in
                if !isZero(block) {
                    withUnsafeBytes(of: UInt64(offset).bigEndian) { hash.update($0) }
                    hash.update(block)
                }
                offset += Int64(block.count)
            }
            return true
        }
        return hash.finalize()
    }

    private static func forEachBlock(
        of piece: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) -> Void
    ) {
        for start in stride(from: 0, to: piece.count, by: block) {
            body(UnsafeRawBufferPointer(rebasing: piece[start..<min(start + block, piece.count)]))
        }
    }

    /// Whether all bytes are zero: the first is, and each is as the one before it.
    private static func isZero(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard let first = bytes.baseAddress, bytes.count > 0 else { return true }
        return bytes[0] == 0 && memcmp(first, first + 1, bytes.count - 1) == 0
    }
}
