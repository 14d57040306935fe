import Foundation
import Naming
import Storage
import System
import TagIndex

/// Makes an index from the ledger of one volume.
///
/// One thread reads lines, follows the chain of hashes and decodes events; the other makes rows.
/// An event about an image that came earlier (a copy, a damage, a duplicate) needs an index over
/// digests, which is made when all rows are there. Such events are passed over at first. They are
/// applied afterwards, in their order, each with the images hidden from it that came later. So the
/// rows are the same as when each event happened.
struct IndexRebuild {
    /// The volume whose ledger is read.
    let volume: Volume
    let site: String
    /// The file to make; an existing one is replaced.
    let path: String
    let progress: @Sendable (RebuildProgress) -> Void

    /// An event, as far as it can be prepared without an index.
    private enum Step: Sendable {
        /// - attributes: The difference as JSON, with the SOPInstanceUID.
        case image(InstanceRecord, uid: String?, attributes: String)
        case series(SeriesRows)
        case other(LedgerEvent, Timestamp)
    }

    private struct Batch: Sendable {
        var steps: [Step] = []
        /// Where the ledger goes on after each step.
        var ends: [LedgerPosition] = []
    }

    private static let batch = 512
    private static let batchesAhead = 4

    /// - Returns: Where the ledger ends.
    /// - Throws: `StorageError` with code `corrupt` when the ledger is damaged; ``ArchiveError``
    ///   for a record that this program does not understand.
    func run() throws -> LedgerPosition {
        do {
            return try build(sorting: true)
        } catch let error as IndexError where error.code == .ambiguous {
            // An image was recorded twice, after an error. The first record counts, so that each
            // image must be looked up when its record comes.
            return try build(sorting: false)
        }
    }

    private func build(sorting: Bool) throws -> LedgerPosition {
        let total = try Ledger.bytes(on: volume, site: site)
        var position = LedgerPosition.start
        var replay = LedgerReplay(views: [])
        // The first event that was passed over, and how many images there were before it.
        var passedOver: (position: LedgerPosition, images: Int64)?
        try TagIndex.build(at: path, sorting: sorting) { writer in
            var readBytes: Int64 = 0
            try read(preparing: sorting) { batch in
                for (step, end) in zip(batch.steps, batch.ends) {
                    switch step {
                    case .image(let record, let uid, let attributes):
                        try writer.append(record, sopInstanceUID: uid, difference: attributes)
                    case .series(let rows): try writer.append(rows, views: replay.views)
                    case .other(let event, _)
                    where sorting && (passedOver != nil || event.needsDigests)
                        && event.concernsCopies:
                        if passedOver == nil {
                            passedOver = (position, try writer.nextInstance() - 1)
                        }
                    case .other(let event, let time):
                        try replay.apply(event, at: time, with: writer)
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
            var chain = try LedgerChain(volume: volume, site: site, from: passedOver.position)
            while let record = try chain.next() {
                if record.entry.kind == IngestEvent.kind { images += 1 }
                guard LedgerEvent.kindsOfCopies.contains(record.entry.kind) else { continue }
                writer.hiddenFrom = images + 1
                try replay.apply(LedgerEvent(record), at: record.entry.time, with: writer)
            }
        }
        return position
    }

    /// Reads the ledger on a thread of its own, and calls `body` with batches of steps.
    private func read(preparing prepares: Bool, _ body: (Batch) throws -> Void) throws {
        let queue = BlockingQueue<Result<Batch, any Error>>(limit: Self.batchesAhead)
        let (volume, site) = (volume, site)
        let thread = try WorkerThread("ledger reader") {
            do {
                var chain = try LedgerChain(volume: volume, site: site)
                var batch = Batch()
                while let record = try chain.next() {
                    batch.steps.append(try Self.step(record, prepares: prepares))
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
        defer {
            queue.close()
            thread.join()
        }
        while let batch = try queue.take()?.get() { try body(batch) }
    }

    private static func step(_ record: LedgerRecord, prepares: Bool) throws -> Step {
        let event = try LedgerEvent(record)
        switch event {
        case .ingest(let event) where prepares:
            let image = event.image(id: 0, in: AttributeSet())
            return .image(image, uid: event.uid, attributes: image.difference.json)
        case .series(let series) where prepares: return .series(SeriesRows(series))
        default: return .other(event, record.entry.time)
        }
    }
}

extension LedgerEvent {
    /// The kinds that change copies, volumes or remotes, and nothing else.
    fileprivate static let kindsOfCopies: Set = [
        DuplicateEvent.kind, VolumeEvent.kind, DamageEvent.kind, CopiesEvent.kind, ScrubEvent.kind,
        RemoteEvent.kind, OffsiteEvent.kind, OffsiteCheckEvent.kind, OffsiteProofEvent.kind,
        WipeTestEvent.kind, DrillEvent.kind,
    ]

    fileprivate var concernsCopies: Bool {
        switch self {
        case .duplicate, .volume, .damage, .copies, .scrub, .remote, .offsite, .offsiteCheck,
            .offsiteProof, .wipeTest, .drill:
            true
        case .views, .paths, .series, .ingest, .reject, .search: false
        }
    }

    /// Whether images must be looked up by their digest, or by the volumes they are on.
    fileprivate var needsDigests: Bool {
        switch self {
        case .volume(let event): event.isDeparture
        case .scrub, .remote, .wipeTest, .drill: false
        default: true
        }
    }
}
