import Dispatch
import Glibc
import System

/// Appends to the ledger of one volume, on a thread of its own when there are several.
final class LedgerWriter: Sendable {
    private struct OpenSegment: ~Copyable {
        var segment: Int
        var file: Descriptor

        init(at begin: LedgerPosition, in folder: LedgerFolder) throws(StorageError) {
            file = try folder.openForWriting(begin.segment, size: begin.offset)
            segment = begin.segment
        }
    }

    let folder: LedgerFolder
    private let queue: DispatchQueue
    private let current = Lock<OpenSegment?>(nil)

    init(_ folder: LedgerFolder) {
        self.folder = folder
        queue = DispatchQueue(label: "ledger of volume \(folder.volume.identity.ordinal)")
    }

    /// Where the threads of one round leave what went wrong.
    private final class Outcomes: Sendable {
        let errors: Lock<[StorageError?]>
        init(count: Int) { errors = Lock(Array(repeating: nil, count: count)) }
    }

    /// Does the same on all writers at once; returns each one's error, in their order.
    static func onAll(
        _ writers: [LedgerWriter],
        _ body: @escaping @Sendable (LedgerWriter) throws(StorageError) -> Void
    ) -> [StorageError?] {
        let outcomes = Outcomes(count: writers.count)
        @Sendable func run(_ index: Int) {
            do throws(StorageError) {
                try body(writers[index])
            } catch {
                outcomes.errors.withLock { $0[index] = error }
            }
        }
        let group = DispatchGroup()
        for index in writers.indices.dropFirst() {
            writers[index].queue.async(group: group) { run(index) }
        }
        // The calling thread has nothing else to do.
        if !writers.isEmpty { run(0) }
        group.wait()
        return outcomes.errors.withLock { $0 }
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

    /// Cuts off what a failed ``write(_:at:)`` may have left.
    func takeBack(to begin: LedgerPosition) throws(StorageError) {
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
