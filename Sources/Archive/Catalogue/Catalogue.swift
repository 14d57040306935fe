import Foundation
import Logging
import Naming
import Storage
import Synchronization
import System
import TagIndex

/// Ledger and index together: records are appended to the ledger and taken into the index in one
/// transaction.
final class Catalogue: Sendable {
    let index: TagIndex
    let ledger: Ledger
    let volumes: VolumeSet
    private let shown = Lock<[View]>([])
    /// How many views show each series; 0 when series differ in that.
    let commonLinks = Atomic<Int>(0)
    /// On how many volumes a record must be.
    private let minimum: Int
    private let log: Logger
    private let clock: any MonotonicClock
    let actor: String
    /// Raised for records that others want to know of.
    let arrivals = ArrivalSignal()
    /// The time of the last record, ns since 1970. Times only go up, so that no two changes of a
    /// directory have the same one.
    let lastTime = Lock<Int64>(0)
    /// When volumes that dropped out were last tried, ns of `clock`; `nil` when they never were.
    private let retryTime = Lock<Int64?>(nil)

    init(
        index: TagIndex, ledger: Ledger, volumes: VolumeSet, settings: Settings, actor: String,
        log: Logger, clock: any MonotonicClock
    ) throws {
        self.index = index
        self.ledger = ledger
        self.volumes = volumes
        minimum = settings.minimumCopies
        self.log = log
        self.clock = clock
        self.actor = actor
        let known = try index.read { try $0.views() }
        show(known)
        publishLinks()
    }

    /// The views that are shown.
    var views: [View] { shown.withLock { $0 } }

    /// Called in the transaction that changes the views.
    func show(_ views: [View]) { shown.withLock { $0 = views } }

    /// Called after the transaction: readers see no number of links before the paths it counts.
    func publishLinks() {
        let views = views
        commonLinks.store(
            views.contains { $0.template.isSelective } ? 0 : views.count, ordering: .relaxed)
    }

    /// Brings the index to the state of the ledger, and begins a ledger that is empty.
    ///
    /// - Returns: How many records the index lacked.
    /// - Throws: As ``replay()``, and ``ArchiveError`` when the ledger cannot be begun.
    func start(_ settings: Settings) throws -> Int {
        let replayed = try replay()
        if views.isEmpty { try begin(settings) }
        return replayed
    }

    /// The first records: which volumes there are, and which views are shown.
    private func begin(_ settings: Settings) throws {
        _ = try appending(isBeginning: true) { writer, entries in
            for identity in volumes.members.compactMap({ $0.volume?.identity }) {
                try add(.volume(.add(identity)), to: &entries, with: writer)
            }
            try add(.views(ViewsEvent(settings.views)), to: &entries, with: writer)
        }
    }

    /// Adds an event of this moment to a batch, and takes it into the index.
    func add(
        _ event: LedgerEvent, to entries: inout [LedgerEntry], with writer: IndexWriter
    ) throws {
        let time = Timestamp(nanoseconds: nextTime())
        try apply(event, at: time, with: writer)
        entries.append(event.entry(by: actor, at: time))
    }

    /// Where the ledger ends.
    var position: LedgerPosition { ledger.position }

    func nextTime() -> Int64 {
        lastTime.withLock { last in
            last = max(clock.utc, last + 1)
            return last
        }
    }

    /// Records a batch whose blobs are safe: steps 2 to 4 of ``Committer``.
    ///
    /// - Returns: The outcome of each file.
    /// - Throws: ``ArchiveError`` when the ledger cannot be written on enough volumes;
    ///   ``RecordedButNotIndexed``.
    func record(_ batch: [StagedIngest]) throws -> Recorded<[IngestOutcome]> {
        try appending { writer, entries in
            let retired = try writer.retired()
            return try batch.map { prepared in
                switch prepared.kind {
                case .new(let attributes, let flags, let same):
                    try record(
                        prepared, attributes, flags: flags, same: same, retired: retired,
                        to: &entries, with: writer)
                case .duplicate(let id):
                    try record(
                        duplicate: prepared, of: id, retired: retired, to: &entries, with: writer)
                }
            }
        }
    }

    private func record(
        _ prepared: StagedIngest, _ attributes: AttributeSet, flags: Int64, same: Digest?,
        retired: Set<Int>, to entries: inout [LedgerEntry], with writer: IndexWriter
    ) throws -> IngestOutcome {
        let ordinals = prepared.volumes.map(\.identity.ordinal).sorted()
        guard ordinals.allSatisfy({ !retired.contains($0) }) else {
            throw ArchiveError(
                .storage,
                "A volume was taken out of the archive while it was stored. Copy it again.")
        }
        guard ordinals.count >= minimum else {
            throw ArchiveError(
                .storage, "It is on \(ordinals.count) volumes instead of \(minimum).")
        }
        let digest = prepared.staged.digest
        let time = Timestamp(nanoseconds: nextTime())
        let place = try writer.assign(
            attributes, hex: digest.hex, received: time.nanoseconds, views: views)
        if let series = place.newSeries {
            entries.append(LedgerEvent.series(series).entry(by: actor, at: time))
        }
        let image = InstanceRecord(
            id: place.instance, series: place.series, sha256: digest.bytes,
            bytes: prepared.staged.bytes, received: time.nanoseconds, name: place.name,
            uidName: place.uidName, flags: flags, source: "\(prepared.request.source)",
            volumes: ordinals, difference: place.difference, same: same?.bytes)
        let uid = attributes[.sopInstanceUID]
        try writer.apply(image, sopInstanceUID: uid)
        entries.append(LedgerEvent.ingest(IngestEvent(image, uid: uid)).entry(by: actor, at: time))
        return same == nil
            ? .archived(image.id, cutOff: prepared.cutOff)
            : .sameDataSet(image.id, cutOff: prepared.cutOff)
    }

    private func record(
        duplicate prepared: StagedIngest, of id: Int64, retired: Set<Int>,
        to entries: inout [LedgerEntry], with writer: IndexWriter
    ) throws -> IngestOutcome {
        let healed = prepared.volumes.map(\.identity.ordinal).filter { !retired.contains($0) }
        let sound = prepared.sound.filter { volume in
            let ordinal = volume.identity.ordinal
            return !retired.contains(ordinal) && volumes[ordinal] === volume
        }
        guard healed.count + sound.count >= minimum else {
            throw ArchiveError(
                .storage,
                "A volume that has a copy went meanwhile: \(healed.count + sound.count) are left.",
                remedy: "Copy it again.")
        }
        let duplicate = DuplicateEvent(
            prepared.staged.digest, from: "\(prepared.request.source)", healed: healed.sorted(),
            verified: prepared.verified)
        try add(.duplicate(duplicate), to: &entries, with: writer)
        return .duplicate(id)
    }

    /// Records that files were rejected.
    ///
    /// - Throws: ``ArchiveError`` when the ledger cannot be written on enough volumes.
    func record(_ rejects: [RejectRecord]) throws {
        guard !rejects.isEmpty else { return }
        _ = try appending { writer, entries in
            for var reject in rejects {
                reject.time = nextTime()
                try writer.apply(reject)
                entries.append(
                    LedgerEvent.reject(reject).entry(
                        by: actor, at: Timestamp(nanoseconds: reject.time)))
            }
        }
    }

    /// From how many errors on a volume is marked as failing.
    static let failingAfter: Int64 = 10

    /// Records events of this moment: they are appended to the ledger and taken into the index.
    ///
    /// - Throws: ``ArchiveError`` when the ledger cannot be written on enough volumes.
    func record(_ events: [LedgerEvent]) throws {
        guard !events.isEmpty else { return }
        _ = try appending { writer, entries in
            let retired = try writer.retired()
            for event in events {
                if case .copies(let copies) = event, retired.contains(copies.volume) { continue }
                try add(event, to: &entries, with: writer)
            }
            for volume in try writer.reader.volumes()
            where volume.state == .active && volume.errors >= Self.failingAfter {
                try add(.failing(volume.ordinal), to: &entries, with: writer)
            }
        }
    }

    /// Records that a volume is empty and has left the archive.
    ///
    /// - Parameter last: Up to this `instance.id` everything on it was copied.
    /// - Returns: False when images have come onto it since, from ingests that had begun before
    ///   it was to be emptied; nothing is recorded then.
    /// - Throws: ``ArchiveError`` when the ledger cannot be written on enough volumes.
    func recordRetired(_ ordinal: Int, copiedTo last: Int64) throws -> Bool {
        try appending { writer, entries in
            guard try writer.reader.instances(on: ordinal, after: last, limit: 1).isEmpty else {
                return false
            }
            try add(.retired(ordinal), to: &entries, with: writer)
            return true
        }.result
    }

    /// Opens a transaction of the index, appends the records that `body` makes in it to the ledger,
    /// and commits.
    ///
    /// - Parameter isBeginning: No image is archived yet, so that one volume is enough.
    /// - Throws: ``ArchiveError`` when the ledger cannot be written on enough volumes: nothing is
    ///   recorded then; ``RecordedButNotIndexed``.
    func appending<R>(
        isBeginning: Bool = false, _ body: (IndexWriter, inout [LedgerEntry]) throws -> R
    ) throws -> Recorded<R> {
        if !isBeginning { try admitAbsent() }
        // An earlier commit of the index may have failed after its records were durable, or a
        // volume has come back with some: the index takes them in first, or it would never take
        // them in. This shows in a transaction only; outside of one, the records that another
        // thread is just appending look the same.
        for _ in 1...3 {
            do { return try appendingNow(body) } catch is IndexBehindLedger { try replay() }
        }
        throw ArchiveError(
            .index,
            """
            The index is behind the ledger and cannot be brought up. Is the disk of the \
            archive's directory full?
            """
        )
    }

    /// The index lacks records of the ledger. Nothing was recorded.
    private struct IndexBehindLedger: Error {}

    private func appendingNow<R>(_ body: (IndexWriter, inout [LedgerEntry]) throws -> R) throws
        -> Recorded<R>
    {
        var isAppended = false
        var isNews = false
        do {
            let recorded = try index.write { writer in
                guard try !isBehind(writer) else { throw IndexBehindLedger() }
                var entries: [LedgerEntry] = []
                let views = views
                let result: R
                let append: LedgerAppend
                do {
                    result = try body(writer, &entries)
                    append = try ledger.append(entries, enough: max(1, minimum))
                } catch {
                    // The transaction is rolled back: its views are not shown.
                    show(views)
                    throw error
                }
                isAppended = true
                isNews = entries.contains { LedgerEvent.isNews($0.kind) }
                if let end = append.ends.last { try writer.setPosition(IndexedPosition(end)) }
                for failure in append.failures {
                    log.error("Volume \(failure.volume) has dropped out: \(failure.error)")
                    if let volume = volumes[failure.volume] {
                        volumes.suspect(volume, failure.error)
                    }
                }
                return Recorded(
                    result: result, changedNodes: writer.changedNodes,
                    isShort: ledger.volumes.count < minimum)
            }
            publishLinks()
            if isNews { arrivals.raise() }
            return recorded
        } catch  where isAppended {
            // Archived, but not indexed: the index takes it from the ledger, as at the next start.
            _ = try? replay()
            throw RecordedButNotIndexed(reason: "\(error)")
        }
    }

    private func isBehind(_ writer: IndexWriter) throws -> Bool {
        try writer.reader.lastRecord() != UInt64(ledger.position.number)
    }

    /// Lets volumes that have dropped out take part again, if they can.
    ///
    /// - Throws: ``ArchiveError`` when the ledger is on too few volumes even so.
    private func admitAbsent() throws {
        admitDropped()
        guard ledger.volumes.count >= minimum else {
            throw ArchiveError(
                .storage,
                """
                The catalogue can be written on \(ledger.volumes.count) of the volumes only, \
                \(minimum) are needed. Look at \"pacsfs status\".
                """
            )
        }
    }

    /// Lets volumes that have dropped out take part again, if they can; every five seconds.
    func admitDropped() {
        let online = volumes.writable
        if ledger.volumes.count < online.count,
            retryTime.withLock({ last in
                let now = clock.now
                if let last, now - last <= 5_000_000_000 { return false }
                last = now
                return true
            })
        {
            for volume in online where !ledger.volumes.contains(volume.identity.ordinal) {
                do {
                    let recovery = try ledger.admit(volume)
                    if let failure = recovery.failure(of: volume) { throw failure }
                    log.notice("The ledger is written on volume \(volume.identity.ordinal) again.")
                } catch {
                    log.error(
                        """
                        The ledger cannot be written on volume \(volume.identity.ordinal): \
                        \(error)
                        """
                    )
                }
            }
        }
    }

    /// The result of a change that is in the ledger.
    struct Recorded<R> {
        var result: R
        /// The directories whose content changed.
        var changedNodes: Set<Int64>
        /// The ledger could not be written on as many volumes as are wanted.
        var isShort: Bool
    }

    /// The records are in the ledger, but the index could not be committed.
    struct RecordedButNotIndexed: Error { var reason: String }
}

extension IndexedPosition {
    init(_ position: LedgerPosition) {
        self.init(
            segment: position.segment, offset: UInt64(position.offset),
            number: UInt64(position.number),
            head: position.head.hex)
    }
}

extension LedgerPosition {
    init(_ position: IndexedPosition) throws {
        guard let head = Digest(hex: position.head) else {
            throw ArchiveError(.index, "The index does not know how far it has read the ledger.")
        }
        self.init(
            segment: position.segment, offset: Int64(position.offset),
            number: Int64(position.number), head: head)
    }
}

extension IndexWriter {
    /// The ordinals of volumes that have left the archive, whatever is being stored on them now.
    func retired() throws -> Set<Int> {
        Set(try reader.volumes().filter { $0.state == .retired }.map(\.ordinal))
    }
}
