import Naming
import Storage
import TagIndex

// From the ledger to the index: the records that the index lacks at a start, and the events of a
// record that is being written.
extension Catalogue {
    /// Takes the records into the index that it lacks: a few after a crash, those of a volume that
    /// came back, all of them when the index is new.
    ///
    /// - Returns: How many there were.
    /// - Throws: ``ArchiveError`` for a record that this program does not understand, with code
    ///   `newerFormat` when a newer pacsfs wrote it; `StorageError` when the ledger is damaged. The
    ///   index is as it was before that record's step then.
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
        // In one transaction, as records are appended in one. Otherwise a record that another
        // thread appends now would be taken in twice, and the position be set back.
        let count = try index.write { writer in
            let position = try writer.reader.position()
            var chain = try LedgerChain(
                volume: ledger.volumes.first.flatMap { volumes[$0] } ?? volumes.staging,
                site: ledger.site,
                from: position.map { try LedgerPosition($0) } ?? .start)
            var (count, end) = (0, LedgerPosition?.none)
            let views = views
            do {
                while count < limit, let record = try chain.next() {
                    try apply(LedgerEvent(record), at: record.entry.time, with: writer)
                    lastTime.withLock { $0 = max($0, record.entry.time.nanoseconds) }
                    (count, end) = (count + 1, record.end)
                }
                if let end { try writer.setPosition(IndexedPosition(end)) }
            } catch {
                // The transaction is rolled back: its views are not shown.
                show(views)
                throw error
            }
            return count
        }
        publishLinks()
        return count
    }

    /// Takes an event into the index.
    func apply(_ event: LedgerEvent, at time: Timestamp, with writer: IndexWriter) throws {
        var replay = LedgerReplay(views: views)
        try replay.apply(event, at: time, with: writer)
        if case .views = event { show(replay.views) }
    }
}

/// Takes events into an index, in the order of the ledger.
struct LedgerReplay {
    /// The views that are shown after the last event.
    private(set) var views: [View]

    mutating func apply(
        _ event: LedgerEvent, at time: Timestamp, with writer: IndexWriter
    ) throws {
        let time = time.nanoseconds
        switch event {
        case .views(let event):
            try writer.setViews(event.views, at: time)
            views = event.views
        case .paths(let record): try writer.apply(record)
        case .series(let record):
            if try !writer.hasSeries(record) { try writer.apply(record, views: views) }
        case .ingest(let event): try apply(event, with: writer)
        case .duplicate(let event): try apply(event, at: time, with: writer)
        case .reject(let record): try writer.apply(record)
        case .volume(let event): try apply(event, with: writer)
        case .damage(let event):
            // A digest that the index does not know as an image is not a loss.
            guard let id = try writer.instance(event.digest) else { return }
            try writer.noteDamage(of: id, on: event.volume)
        case .copies(let event):
            for digest in event.digests {
                guard let id = try writer.instance(digest) else { continue }
                try writer.noteCopy(of: id, on: event.volume, verified: time)
            }
        case .scrub(let event):
            try writer.noteScrub(
                of: event.folder, on: event.volume, errors: event.bad, at: time)
        case .search(.keep(let words)): try writer.keepSearch(words, at: time)
        case .search(.forget(let words)): try writer.forgetSearch(words)
        case .search(.rename(let words, let new)): try writer.renameSearch(words, to: new)
        case .remote(let event): try apply(event, at: time, with: writer)
        case .offsite(let event): try apply(event, at: time, with: writer)
        case .offsiteCheck(let event):
            try writer.noteCheck(
                ofRemote: event.remote, at: time, rolledBack: event.rolledBack,
                faults: event.faults.map { ($0.object, $0.fault.rawValue) },
                isMore: event.part > 1)
        case .offsiteProof(let event):
            try writer.noteProof(
                ofRemote: event.remote, at: time, good: event.objects,
                faults: event.faults.map { ($0.object, $0.fault.rawValue) })
        case .wipeTest(let event):
            try writer.noteWipeTest(
                ofRemote: event.remote,
                RemoteRecord.WipeTest(
                    time: time, overwrite: event.overwrite.rawValue,
                    delete: event.delete.rawValue, shorten: event.shorten?.rawValue))
        case .drill(let event):
            try writer.apply(
                DrillRecord(
                    source: event.source.key, time: time, images: event.images,
                    listed: event.listed, seen: event.seen, restored: event.restored,
                    decoded: event.decoded, faults: event.faults, report: event.report.bytes))
        }
    }

    private func apply(_ event: IngestEvent, with writer: IndexWriter) throws {
        let image = event.image(
            id: try writer.nextInstance(), in: try writer.attributes(ofSeries: event.image.series))
        // An image that was recorded again after an error: the first record counts.
        if let known = try writer.reader.instance(sha256: image.sha256) {
            for volume in image.volumes {
                try writer.noteCopy(of: known, on: volume, verified: image.received)
            }
            return
        }
        try writer.apply(image, sopInstanceUID: event.uid)
    }

    private func apply(_ event: DuplicateEvent, at time: Int64, with writer: IndexWriter) throws {
        guard let id = try writer.instance(event.digest) else { return }
        for ordinal in event.healed where try writer.reader.verified(id, on: ordinal) != nil {
            try writer.noteDamage(of: id, on: ordinal)
        }
        for ordinal in event.verified + event.healed {
            try writer.noteCopy(of: id, on: ordinal, verified: time)
        }
    }

    private func apply(_ event: RemoteEvent, at time: Int64, with writer: IndexWriter) throws {
        switch event {
        case .add(let name, let id, let cipher, let hash):
            try writer.apply(
                RemoteRecord(
                    name: name, uuid: id, cipher: cipher?.rawValue, hash: hash, added: time))
        case .remove(let name): try writer.removeRemote(name)
        case .forget(let name): try writer.forgetObjects(onRemote: name)
        }
    }

    private func apply(_ event: OffsiteEvent, at time: Int64, with writer: IndexWriter) throws {
        var blobs: [(instance: Int64, offset: Int64)] = []
        for blob in event.blobs {
            // A digest that the index does not know as an image is nobody's.
            if let id = try writer.instance(blob.digest) { blobs.append((id, blob.offset)) }
        }
        try writer.apply(
            ObjectRecord(
                name: event.object, serverName: event.serverName, bytes: event.bytes,
                hash: event.hash, lockedUntil: event.lockedUntil?.nanoseconds,
                through: event.through, proven: time),
            onRemote: event.remote, blobs: blobs)
    }

    private func apply(_ event: VolumeEvent, with writer: IndexWriter) throws {
        switch event {
        case .add(let ordinal, let id, let domain, _):
            try writer.apply(VolumeRecord(ordinal: ordinal, id: id, domain: domain))
        case .retire(let ordinal): try writer.setState(.retiring, ofVolume: ordinal)
        case .retired(let ordinal), .replace(let ordinal, _):
            try writer.setState(.retired, ofVolume: ordinal)
        case .failing(let ordinal): try writer.setState(.failing, ofVolume: ordinal)
        case .well(let ordinal): try writer.setState(.active, ofVolume: ordinal)
        }
    }
}

extension IndexWriter {
    /// The `instance.id` of an image; `nil` when the index does not have it.
    fileprivate func instance(_ digest: Digest) throws -> Int64? {
        try reader.instance(sha256: digest.bytes)
    }
}
