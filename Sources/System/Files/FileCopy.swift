import CLinux
import Glibc

/// Copies file content by the cheapest way that works: shared extents, a copy within the
/// kernel, or reading and writing. Holes stay holes, and cost nothing.
public enum FileCopy {
    /// Why a copy failed; the target is to be thrown away.
    public enum Failure: Error, Sendable {
        /// The source cannot be read.
        case reading(Errno)
        /// The target cannot be written.
        case writing(Errno)
        /// The source does not have the expected number of bytes.
        case wrongLength
    }

    /// How many bytes are copied before their write-back is started.
    private static let stride: Int64 = 8 << 20

    /// Copies `bytes` bytes from the start of `source` to the empty file `target`, and starts
    /// writing them to disk, so that a later sync is short.
    ///
    /// - Parameter observer: Called with each piece, in order, before it is written, and with zeros
    ///   for holes; without one nothing is read into this process if that can be avoided.
    /// - Throws: ``Failure``; `wrongLength` when the source does not have exactly `bytes` bytes.
    public static func copy(
        from source: Int32, to target: Int32, bytes: Int64,
        observer: ((UnsafeRawBufferPointer) -> Void)? = nil
    ) throws(Failure) {
        guard try size(of: source) == bytes else { throw .wrongLength }
        if observer == nil, bytes > 0, clone(from: source, to: target) {
            guard try size(of: target) == bytes else { throw .wrongLength }
            return
        }
        var extents = FileExtents(of: source, bytes: bytes)
        var (isInKernel, endsInHole) = (observer == nil, false)
        while let extent = try reading({ () throws(Errno) in try extents.next() }) {
            endsInHole = extent.isHole
            if extent.isHole {
                if let observer { Zeros.forEach(in: extent.range, observer) }
                continue
            }
            var range = extent.range
            if isInKernel {
                let done = try copyInKernel(from: source, to: target, range)
                isInKernel = done == range.upperBound
                range = done..<range.upperBound
            }
            if !range.isEmpty {
                try copyThroughMemory(from: source, to: target, range: range, observer: observer)
            }
        }
        if endsInHole, ftruncate(target, off_t(bytes)) != 0 { throw .writing(.last) }
        // Where it was cut off meanwhile there seemed to be a hole.
        guard try size(of: source) == bytes else { throw .wrongLength }
    }

    private static func reading<R>(_ body: () throws(Errno) -> R) throws(Failure) -> R {
        do throws(Errno) { return try body() } catch { throw .reading(error) }
    }

    private static func size(of descriptor: Int32) throws(Failure) -> Int64 {
        try reading { () throws(Errno) in try FileFacts(of: descriptor).bytes }
    }

    /// Lets the target share the extents of the source.
    ///
    /// - Returns: False when the file system cannot, or the files are on two.
    ///
    /// See: 'man 2 ioctl_ficlone'
    private static func clone(from source: Int32, to target: Int32) -> Bool {
        ioctl(target, UInt(PACSFS_FICLONE), source) == 0
    }

    /// - Returns: Where it ended: before the end of `range` when the file systems do not support
    ///   this.
    ///
    /// See: 'man 2 copy_file_range'
    private static func copyInKernel(
        from source: Int32, to target: Int32, _ range: Range<Int64>
    ) throws(Failure) -> Int64 {
        var done = range.lowerBound
        while done < range.upperBound {
            var (readOffset, writeOffset) = (off_t(done), off_t(done))
            let count = copy_file_range(
                source, &readOffset, target, &writeOffset,
                Int(min(stride, range.upperBound - done)), 0)
            if count < 0 {
                let error = Errno.last
                if error.code == EINTR { continue }
                if error.code == ENOSPC || error.code == EDQUOT { throw .writing(error) }
                return done
            }
            if count == 0 { return done }
            startWriteBack(target, at: done, bytes: Int64(count))
            DiskWork.goesOn()
            done += Int64(count)
        }
        return done
    }

    private static func copyThroughMemory(
        from source: Int32, to target: Int32, range: Range<Int64>,
        observer: ((UnsafeRawBufferPointer) -> Void)?
    ) throws(Failure) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(
            byteCount: Int(min(1 << 20, max(range.upperBound - range.lowerBound, 1))),
            alignment: 4096)
        defer { buffer.deallocate() }
        var done = range.lowerBound
        var started = done
        while done < range.upperBound {
            let count = min(Int64(buffer.count), range.upperBound - done)
            let piece = UnsafeMutableRawBufferPointer(rebasing: buffer.prefix(Int(count)))
            try read(source, into: piece, at: done)
            observer?(UnsafeRawBufferPointer(piece))
            do throws(Errno) {
                try FileIO.write(target, UnsafeRawBufferPointer(piece), at: done)
            } catch {
                throw .writing(error)
            }
            done += count
            if done - started >= stride || done == range.upperBound {
                startWriteBack(target, at: started, bytes: done - started)
                started = done
            }
        }
    }

    private static func read(
        _ source: Int32, into piece: UnsafeMutableRawBufferPointer, at offset: Int64
    ) throws(Failure) {
        let count: Int
        do throws(Errno) {
            count = try FileIO.read(source, into: piece, at: offset)
        } catch {
            throw .reading(error)
        }
        if count != piece.count { throw .wrongLength }
    }

    /// Only a hint; the sync at the end does the rest.
    ///
    /// See: 'man 2 sync_file_range'
    private static func startWriteBack(_ target: Int32, at offset: Int64, bytes: Int64) {
        _ = sync_file_range(
            target, off_t(offset), off_t(bytes), UInt32(PACSFS_SYNC_FILE_RANGE_WRITE))
    }
}
