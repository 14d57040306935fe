import Glibc
import System

/// Appends to the ledger of one volume.
final class LedgerWriter: Sendable {
    private struct OpenSegment: ~Copyable {
        var segment: Int
        var file: Descriptor

        init(at begin: LedgerPosition, in folder: LedgerFolder) throws(StorageError) {
            file = try folder.openForWriting(begin.segment, size: begin.offset)
            segment = begin.segment
        }
    }

    let volume: Volume
    let folder: LedgerFolder
    private let current = Lock<OpenSegment?>(nil)

    init(_ folder: LedgerFolder, on volume: Volume) {
        self.volume = volume
        self.folder = folder
    }

    /// Does the same on all writers at once.
    ///
    /// - Returns: The error of each, in their order.
    static func onAll(
        _ writers: [LedgerWriter],
        _ body: @escaping @Sendable (LedgerWriter) throws(StorageError) -> Void
    ) -> [StorageError?] {
        Volume.onAll(writers, { $0.volume }, body).map {
            if case .failure(let error) = $0 { error } else { nil }
        }
    }

    /// Writes a batch where the ledger ends, and makes it durable.
    ///
    /// - Throws: `diverged` when the ledger ends elsewhere; nothing was written then.
    func write(_ bytes: [UInt8], at begin: LedgerPosition) throws(StorageError) {
        try current.withLock { (current) throws(StorageError) in
            let open: OpenSegment
            if let kept = current.take(), kept.segment == begin.segment {
                open = kept
            } else {
                open = try OpenSegment(at: begin, in: folder)
            }
            try folder.requireSize(begin.offset, of: open.file, begin.segment)
            let path = folder.path(begin.segment)
            try open.file.write(bytes, at: begin.offset, path: path)
            try open.file.syncData(path: path)
            current = consume open
        }
    }

    /// Cuts off the bytes that a failed ``write(_:at:)`` may have left.
    ///
    /// - Throws: What a system call says.
    func rollBack(to begin: LedgerPosition) throws(StorageError) {
        current.withLock { $0 = nil }
        let file: Descriptor
        do {
            file = try folder.open(begin.segment, O_RDWR)
        } catch  where error.code == .notFound && begin.offset == 0 {
            return
        }
        try file.cut(to: begin.offset, path: folder.path(begin.segment))
    }
}
