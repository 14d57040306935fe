import Foundation
import Naming
import Storage
import TagIndex

// From the ledger to the index: what a start takes in that the index lacks, and what is applied
// to the index when a record is written.
extension Catalogue {
    /// Takes the records into the index that it lacks: a few after a crash, those that a volume
    /// had which came back, all of them when it is new.
    ///
    /// - returns: how many there were
    @discardableResult
    func replay() throws -> Int {
        var total = 0
        while true {
            let count = try replaySome(10_000)
            total += count
            if count == 0 { return total }
        }
    }

    private func replaySome(_ limit: Int) throws -> Int {
        // In one transaction, as records are appended in one: what another thread records just now
        // would be taken in twice, and the position be set back.
        try index.write { writer in
            let position = try writer.reader.position()
            var reader = try LedgerChain(
                volume: ledger.volumes.first.flatMap { volumes[$0] } ?? volumes.staging,
                site: ledger.site,
                from: position.map { try LedgerPosition($0) } ?? .start)
            var (count, end) = (0, LedgerPosition?.none)
            let views = views
            do {
                while count < limit, let record = try reader.next() {
                    try apply(record.entry, with: writer)
                    lastTime.withLock { $0 = max($0, record.entry.time.nanoseconds) }
                    (count, end) = (count + 1, record.end)
                }
                if let end { try writer.setPosition(IndexedPosition(end)) }
            } catch {
                // Nothing came of it: what was shown is shown.
                show(views)
                throw error
            }
            return count
        }
    }

    func apply(_ entry: LedgerEntry, with writer: IndexWriter) throws {
        var replay = LedgerReplay(views: views)
        try replay.apply(entry, with: writer)
        if entry.kind == "views" { show(replay.views) }
    }
}

/// Takes records of the ledger into an index, one after the other.
struct LedgerReplay {
    /// The views that are shown, as far as the records have told.
    private(set) var views: [View]

    mutating func apply(_ entry: LedgerEntry, with writer: IndexWriter) throws {
        func damaged() -> ArchiveError { Self.incomplete(entry) }
        switch entry.kind {
        case "views":
            guard let views = View.list(entry.body) else { throw damaged() }
            try writer.setViews(views, at: entry.time.nanoseconds)
            self.views = views
        case "paths":
            guard let record = PathsRecord(entry) else { throw damaged() }
            try writer.apply(record)
        case "series":
            guard let record = SeriesRecord(entry) else { throw damaged() }
            if try writer.hasSeries(record) { return }
            try writer.apply(record, views: views)
        case "ingest":
            let id = try writer.nextInstance()
            guard let record = try InstanceRecord(entry, id: id, base: writer.attributes(ofSeries:))
            else {
                throw damaged()
            }
            // Recorded again after an error: the first record counts.
            if let known = try writer.reader.instance(sha256: record.sha256) {
                for volume in record.volumes {
                    try writer.noteCopy(of: known, on: volume, verified: record.received)
                }
                return
            }
            try writer.apply(record, sopInstanceUID: entry.body["uid"]?.string)
        case "duplicate":
            guard let digest = entry.body["sha256"]?.string.flatMap({ Digest(hex: $0) }) else {
                throw damaged()
            }
            guard let id = try writer.reader.instance(sha256: digest.bytes) else { return }
            func ordinals(_ key: String) -> [Int] {
                entry.body[key]?.array?.compactMap { $0.int.map(Int.init) } ?? []
            }
            for ordinal in ordinals("healed")
            where try writer.reader.verified(id, on: ordinal) != nil {
                try writer.noteDamage(of: id, on: ordinal)
            }
            for ordinal in ordinals("verified") + ordinals("healed") {
                try writer.noteCopy(of: id, on: ordinal, verified: entry.time.nanoseconds)
            }
        case "reject":
            guard let record = RejectRecord(entry) else { throw damaged() }
            try writer.apply(record)
        case "volume", "damage", "copies", "scrub":
            guard try applyFact(entry, with: writer) else { throw damaged() }
        case SearchChange.kind: try applySearch(entry, with: writer)
        default: break
        }
    }

    static func incomplete(_ entry: LedgerEntry) -> ArchiveError {
        ArchiveError(
            .index,
            "A \"\(entry.kind)\" record of \(entry.time) in the ledger lacks something. Run \"pacsfs verify\"."
        )
    }
}
