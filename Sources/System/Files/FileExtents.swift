import CLinux
import Glibc

/// The parts of an open file, in their order: data, and holes that take no room on the disk and
/// read as zeros. Where the file system cannot tell, all of the file is data. Parts begin at
/// multiples of 4,096.
///
/// See: 'man 2 lseek', SEEK_DATA and SEEK_HOLE
public struct FileExtents {
    public struct Extent: Equatable, Sendable {
        public var range: Range<Int64>
        public var isHole: Bool
    }

    private static let block: Int64 = 4096

    private let descriptor: Int32
    private let end: Int64
    private var offset: Int64 = 0
    private var canTell = true

    /// - Parameter bytes: How much of the file is looked at. What lies beyond its end is a hole.
    public init(of descriptor: Int32, bytes: Int64) {
        self.descriptor = descriptor
        end = bytes
    }

    /// The next part; `nil` at the end. Its start is where the one before ended.
    ///
    /// - Throws: The ``Errno`` of `lseek(2)`.
    public mutating func next() throws(Errno) -> Extent? {
        guard offset < end else { return nil }
        let start = offset
        let data = min(try position(of: Int32(PACSFS_SEEK_DATA), from: start), end)
        let rounded = data == end ? end : data / Self.block * Self.block
        if rounded > start {
            offset = rounded
            return Extent(range: start..<rounded, isHole: true)
        }
        let hole = try position(of: Int32(PACSFS_SEEK_HOLE), from: max(start, data))
        offset = min(end, max(start, hole) / Self.block * Self.block + Self.block)
        if hole % Self.block == 0, hole > start { offset = min(end, hole) }
        return Extent(range: start..<offset, isHole: false)
    }

    private mutating func position(of whence: Int32, from start: Int64) throws(Errno) -> Int64 {
        guard canTell else { return whence == Int32(PACSFS_SEEK_DATA) ? start : end }
        let error: Errno
        do throws(Errno) {
            return Int64(try systemCall { lseek(descriptor, off_t(start), whence) })
        } catch let failure {
            error = failure
        }
        switch error.code {
        case ENXIO: return end
        case EINVAL, ESPIPE, EOPNOTSUPP:
            canTell = false
            return whence == Int32(PACSFS_SEEK_DATA) ? start : end
        default: throw error
        }
    }

    /// How many of the first `bytes` bytes of a file are data.
    ///
    /// - Throws: The ``Errno`` of `lseek(2)`.
    public static func dataBytes(of descriptor: Int32, bytes: Int64) throws(Errno) -> Int64 {
        var extents = FileExtents(of: descriptor, bytes: bytes)
        var sum: Int64 = 0
        while let extent = try extents.next() {
            if extent.isHole { continue }
            sum += Int64(extent.range.count)
        }
        return sum
    }
}
