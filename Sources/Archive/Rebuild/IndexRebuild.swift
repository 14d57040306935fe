import Foundation
import Naming
import Storage
import System
import TagIndex

/// Makes an index from the ledger of one volume.
///
/// One thread reads lines, follows the chain of hashes and makes records of them; the other
/// makes rows. What concerns an image that came earlier (a copy, a damage, a duplicate) would
/// need an index over digests from the first row on. It is passed over therefore, and gone
/// through in its order when the rows are sorted, each record with no image in sight that is
/// younger than itself. So the rows are those that came of it when it happened.
struct IndexRebuild {
    /// The volume whose ledger is read.
    let volume: Volume
    let site: String
    /// The file that is made; one that is there is replaced.
    let path: String
    let progress: @Sendable (RebuildProgress) -> Void

    /// A record, as far as it can be prepared without an index.
    private enum Step: Sendable {
        /// - attributes: the difference as JSON, with the uid
        case image(InstanceRecord, uid: String?, attributes: String)
        case series(SeriesRows)
        case other(LedgerEntry)
    }

    private struct Batch: Sendable {
        var steps: [Step] = []
        /// Where the ledger goes on after each step.
        var ends: [LedgerPosition] = []
    }

    private static let batch = 512
    private static let batchesAhead = 4

    /// - returns: where the ledger ends
    /// - throws: `StorageError` with code `corrupt` when the ledger does not fit together
    func run() throws -> LedgerPosition {
        do {
            return try build(sorting: true)
        } catch let error as IndexError where error.code == .ambiguous {
            // An image was recorded twice, after an error: the first record counts, which must
            // be known when the second comes.
            return try build(sorting: false)
        }
    }

    private func build(sorting: Bool) throws -> LedgerPosition {
        let total = try Ledger.bytes(on: volume, site: site)
        var position = LedgerPosition.start
        var replay = LedgerReplay(views: [])
        // The first record that was passed over, and how many images there were before it.
        var passedOver: (position: LedgerPosition, images: Int64)?
        try TagIndex.build(at: path, sorting: sorting) { writer in
            var readBytes: Int64 = 0
            try read(preparing: sorting) { batch in
                for (step, end) in zip(batch.steps, batch.ends) {
                    switch step {
                    case .image(let record, let uid, let attributes):
                        try writer.append(record, sopInstanceUID: uid, difference: attributes)
                    case .series(let rows): try writer.append(rows, views: replay.views)
                    case .other(let entry)
                    where sorting && (passedOver != nil || Self.needsDigests(entry))
                        && Self.concernsCopies(entry):
                        if passedOver == nil {
                            passedOver = (position, try writer.nextInstance() - 1)
                        }
                    case .other(let entry): try replay.apply(entry, with: writer)
                    }
                    readBytes +=
                        end.segment == position.segment ? end.offset - position.offset : end.offset
                    position = end
                }
                writer.forgetChanges()
                progress(
                    RebuildProgress(
                        step: .ledger, records: position.number, bytes: readBytes, totalBytes: total
                    ))
            }
            if position.number > 0 { try writer.setPosition(IndexedPosition(position)) }
            progress(
                RebuildProgress(
                    step: .indexes, records: position.number, bytes: total, totalBytes: total))
        } amend: { writer in
            guard let passedOver else { return }
            var images = passedOver.images
            var reader = try LedgerChain(volume: volume, site: site, from: passedOver.position)
            while let record = try reader.next() {
                if record.entry.kind == "ingest" { images += 1 }
                guard Self.concernsCopies(record.entry) else { continue }
                writer.hiddenFrom = images + 1
                try replay.apply(record.entry, with: writer)
            }
        }
        return position
    }

    /// Kinds that change copies or volumes, and nothing else.
    private static func concernsCopies(_ entry: LedgerEntry) -> Bool {
        ["duplicate", "volume", "damage", "copies", "scrub"].contains(entry.kind)
    }

    /// Whether images must be looked up by their digest, or by the volumes they are on.
    private static func needsDigests(_ entry: LedgerEntry) -> Bool {
        switch entry.kind {
        case "volume": ["retired", "replace"].contains(entry.body["op"]?.string)
        case "scrub": false
        default: true
        }
    }

    /// Reads the ledger on a thread of its own, and calls `body` with what it gives.
    private func read(preparing prepares: Bool, _ body: (Batch) throws -> Void) throws {
        let queue = BlockingQueue<Result<Batch, any Error>>(limit: Self.batchesAhead)
        let (volume, site) = (volume, site)
        let thread = Thread {
            do {
                var reader = try LedgerChain(volume: volume, site: site)
                var batch = Batch()
                while let record = try reader.next() {
                    batch.steps.append(try Self.step(record.entry, prepares: prepares))
                    batch.ends.append(record.end)
                    if batch.steps.count == Self.batch {
                        guard queue.put(.success(batch)) else { return }
                        batch = Batch()
                    }
                }
                if !batch.steps.isEmpty { _ = queue.put(.success(batch)) }
            } catch {
                _ = queue.put(.failure(error))
            }
            queue.close()
        }
        thread.name = "ledger reader"
        thread.start()
        defer { queue.close() }
        while let batch = try queue.take(atMost: 1).first?.get() { try body(batch) }
    }

    private static func step(_ entry: LedgerEntry, prepares: Bool) throws -> Step {
        guard prepares else { return .other(entry) }
        switch entry.kind {
        case "ingest":
            guard let record = InstanceRecord(entry, id: 0, base: { _ in AttributeSet() }) else {
                throw LedgerReplay.incomplete(entry)
            }
            return .image(
                record, uid: entry.body["uid"]?.string, attributes: record.difference.json)
        case "series":
            guard let record = SeriesRecord(entry) else { throw LedgerReplay.incomplete(entry) }
            return .series(SeriesRows(record))
        default: return .other(entry)
        }
    }
}
