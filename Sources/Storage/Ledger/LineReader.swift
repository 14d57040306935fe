import Glibc
import System

/// Reads the lines of a file from front to back through one buffer.
struct LineReader: ~Copyable {
    /// One line, good until the next is read.
    struct Line {
        /// Its bytes without the newline.
        var content: UnsafeRawBufferPointer
        /// Whether it ends with a newline. The last line of a file may not, and a line that is
        /// longer than a batch is given without its end.
        var isTerminated: Bool
        /// Bytes from its start to the end of the file.
        var bytesLeft: Int64
    }

    private let file: SharedDescriptor
    private let disk: DiskCalls?
    private let path: String
    private let end: Int64
    private var buffer: UnsafeMutableRawBufferPointer
    /// The part of the buffer that was read from the file and not returned.
    private var unread: Range<Int> = 0..<0
    /// The offset in the file of what comes into the buffer next.
    private var fileOffset: Int64

    /// Reads the bytes that the file has now, from an offset.
    ///
    /// - Parameter disk: Where the file is, if somebody watches whether that answers.
    init(
        _ file: consuming Descriptor, from offset: Int64, path: String, on disk: DiskCalls? = nil
    ) throws(StorageError) {
        self.disk = disk
        end = try file.facts(path: path).bytes
        _ = posix_fadvise(file.number, off_t(offset), 0, POSIX_FADV_SEQUENTIAL)
        self.file = SharedDescriptor(file)
        self.path = path
        fileOffset = offset
        buffer = .allocate(byteCount: 1 << 18, alignment: 16)
    }

    deinit { buffer.deallocate() }

    /// The next line; `nil` at the end of the file.
    mutating func next() throws(StorageError) -> Line? {
        var searched = 0
        while true {
            if let base = buffer.baseAddress, unread.count > searched,
                let newline = memchr(
                    base + unread.lowerBound + searched, 0x0a, unread.count - searched)
            {
                let length =
                    UnsafeRawPointer(newline) - UnsafeRawPointer(base)
                    - unread.lowerBound
                return take(length, isTerminated: true)
            }
            searched = unread.count
            if fileOffset >= end {
                return unread.isEmpty ? nil : take(unread.count, isTerminated: false)
            }
            if unread.count > Ledger.batchLimit { return take(unread.count, isTerminated: false) }
            try fill()
        }
    }

    private func read(into free: UnsafeMutableRawBufferPointer) throws(StorageError) -> Int {
        guard let disk else {
            return try FileIO.read(file.number, into: free, at: fileOffset, path: path)
        }
        // Into memory that a call may keep which nobody waits for any more.
        let (offset, count) = (fileOffset, free.count)
        let bytes = try Volume.on(disk, at: path) { [file, path] () throws(StorageError) in
            try FileIO.bytes(file.number, at: offset, count: count, path: path)
        }
        free.copyBytes(from: bytes)
        return bytes.count
    }

    private mutating func take(_ length: Int, isTerminated: Bool) -> Line {
        let start = unread.lowerBound
        let bytesLeft = Int64(unread.count) + max(0, end - fileOffset)
        unread = start + length + (isTerminated ? 1 : 0)..<unread.upperBound
        return Line(
            content: UnsafeRawBufferPointer(rebasing: buffer[start..<start + length]),
            isTerminated: isTerminated, bytesLeft: bytesLeft)
    }

    private mutating func fill() throws(StorageError) {
        if unread.count > buffer.count / 2 {
            let larger = UnsafeMutableRawBufferPointer.allocate(
                byteCount: buffer.count * 2, alignment: 16)
            larger.copyMemory(from: UnsafeRawBufferPointer(rebasing: buffer[unread]))
            buffer.deallocate()
            buffer = larger
        } else if let base = buffer.baseAddress {
            memmove(base, base + unread.lowerBound, unread.count)
        }
        unread = 0..<unread.count
        let wanted = Int(min(Int64(buffer.count - unread.count), end - fileOffset))
        let free = UnsafeMutableRawBufferPointer(
            rebasing: buffer[unread.upperBound..<unread.upperBound + wanted])
        let count = try read(into: free)
        unread = 0..<unread.upperBound + count
        // A file that became shorter ends here.
        fileOffset = count == wanted ? fileOffset + Int64(count) : end
    }
}
