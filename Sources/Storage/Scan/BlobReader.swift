import CLinux
import Glibc
import System

/// Reads and hashes files, one after the other, through one buffer; each thread of a scan has one.
final class BlobReader {
    private let source: BlobSource
    private let pace: Pace?
    private let shouldStop: () -> Bool
    private let buffer: UnsafeMutableRawBufferPointer

    /// In bytes: fits into the second-level cache, so that hashing finds there what was read.
    private static let bufferSize = 1 << 18

    init(_ source: BlobSource, _ pace: Pace?, shouldStop: @escaping () -> Bool) {
        self.source = source
        self.pace = pace
        self.shouldStop = shouldStop
        buffer = .allocate(byteCount: Self.bufferSize, alignment: 4096)
    }

    deinit { buffer.deallocate() }

    /// Reads a file.
    ///
    /// - Returns: `nil` when reading was stopped.
    func read(_ item: BlobSource.Item) -> BlobFinding? {
        if shouldStop() { return nil }
        var blob = ExpectedBlob(digest: item.digest, bytes: item.expectedBytes ?? 0)
        var fault: BlobFault?
        do throws(StorageError) {
            let path = source.path(item.digest)
            let file = try source.open(item.digest)
            let facts = try file.facts(path: path)
            if item.expectedBytes == nil { blob.bytes = facts.bytes }
            if facts.bytes != blob.bytes {
                fault = .wrongSize(facts.bytes)
            } else {
                guard let digest = try hash(file, bytes: blob.bytes, path: path) else { return nil }
                fault = digest == blob.digest ? nil : .altered
            }
        } catch  where error.isMissing {
            // Removed since the folder was listed; nobody may have expected it.
            fault = .missing
        } catch  where error.code == .corrupt && !error.isNotRegular {
            fault = .altered
        } catch {
            fault = .unreadable(error.description)
        }
        guard item.expectedBytes != nil else { return .unexpected(blob, fault: fault) }
        return fault.map { .bad(blob, $0) } ?? .good(blob)
    }

    private func hash(
        _ file: borrowing Descriptor, bytes: Int64, path: String
    ) throws(StorageError) -> Digest? {
        let number = file.number
        let wasCached = isCached(number)
        _ = posix_fadvise(number, 0, 0, POSIX_FADV_SEQUENTIAL)
        defer {
            // The kernel keeps pages that others have mapped or not yet written.
            if !wasCached { _ = posix_fadvise(number, 0, 0, POSIX_FADV_DONTNEED) }
        }
        var hash = StreamingDigest()
        while hash.bytes < bytes {
            let piece = UnsafeMutableRawBufferPointer(
                rebasing: buffer.prefix(Int(min(Int64(buffer.count), bytes - hash.bytes))))
            let count = try file.read(into: piece, at: hash.bytes, path: path)
            hash.update(UnsafeRawBufferPointer(rebasing: piece.prefix(count)))
            pace?.pay(for: count, unless: shouldStop)
            // It became shorter while it was read.
            if count < piece.count { break }
            if shouldStop() { return nil }
        }
        return hash.finalize()
    }

    /// Whether the beginning of a file is in memory; true where the file system cannot tell.
    ///
    /// See: 'man 2 preadv2'
    private func isCached(_ file: Int32) -> Bool {
        var byte = iovec(iov_base: buffer.baseAddress, iov_len: 1)
        do throws(StorageError) {
            try call({ .read($0, "") }) { preadv2(file, &byte, 1, 0, Int32(PACSFS_RWF_NOWAIT)) }
            return true
        } catch {
            return !error.wouldWait
        }
    }
}
