import Foundation
import JSON
import Logging
import Naming
import Storage
import Synchronization
import System
import TagIndex

/// Ledger and index together: what is appended to the one is taken into the other.
final class Catalogue: Sendable {
    let index: TagIndex
    let ledger: Ledger
    let volumes: VolumeSet
    private let shown = Lock<[View]>([])
    /// How many views show each series; 0 when that differs.
    let commonLinks = Atomic<Int>(0)
    /// On how many volumes a record must be.
    private let minimum: Int
    private let log: Logger
    private let clock: any MonotonicClock
    let actor: String
    /// The time of the last record, ns: times only ever go up, and no two changes of a
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
    }

    /// The views that are shown.
    var views: [View] { shown.withLock { $0 } }

    func show(_ views: [View]) {
        shown.withLock { $0 = views }
        commonLinks.store(
            views.contains { $0.template.isSelective } ? 0 : views.count, ordering: .relaxed)
    }

    /// Brings the index to the state of the ledger, and begins a ledger that is empty.
    ///
    /// - returns: how many records the index lacked
    func start(_ settings: Settings) throws -> Int {
        let replayed = try replay()
        if views.isEmpty { try begin(settings) }
        return replayed
    }

    /// The first records: which volumes there are, and how the archive is shown.
    private func begin(_ settings: Settings) throws {
        _ = try appending(isBeginning: true) { writer, entries in
            for member in volumes.members {
                guard let identity = member.volume?.identity else { continue }
                let add = entry(kind: "volume", Fact.addVolume(identity).body)
                try apply(add, with: writer)
                entries.append(add)
            }
            let views = entry(kind: "views", View.record(settings.views))
            entries.append(views)
            try apply(views, with: writer)
        }
    }

    func entry(kind: String, _ body: JSONObject) -> LedgerEntry {
        LedgerEntry(kind: kind, by: actor, time: Timestamp(nanoseconds: nextTime()), body: body)
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
    /// - returns: what became of each
    func record(_ batch: [Prepared]) throws -> Recorded<[IngestOutcome]> {
        try appending { writer, entries in
            let retired = try writer.retired()
            return try batch.map { prepared in
                let time = nextTime()
                switch prepared.kind {
                case .new(let attributes, let flags, let same):
                    guard prepared.volumes.allSatisfy({ !retired.contains($0.identity.ordinal) })
                    else {
                        throw ArchiveError(
                            .storage,
                            "A volume was taken out of the archive while it was stored. Copy it again."
                        )
                    }
                    guard prepared.volumes.count >= minimum else {
                        throw ArchiveError(
                            .storage,
                            "It is on \(prepared.volumes.count) volumes instead of \(minimum).")
                    }
                    let place = try writer.assign(
                        attributes, hex: prepared.staged.digest.hex, received: time, views: views)
                    if let series = place.newSeries { entries.append(series.entry(by: actor)) }
                    let record = InstanceRecord(
                        id: place.instance, series: place.series,
                        sha256: prepared.staged.digest.bytes,
                        bytes: prepared.staged.bytes, received: time, name: place.name,
                        uidName: place.uidName, flags: flags, source: prepared.request.source,
                        volumes: prepared.volumes.map(\.identity.ordinal).sorted(),
                        difference: place.difference,
                        same: same?.bytes)
                    try writer.apply(record, sopInstanceUID: attributes[.sopInstanceUID])
                    entries.append(
                        record.entry(by: actor, sopInstanceUID: attributes[.sopInstanceUID]))
                    return same == nil
                        ? .archived(record.id, cutOff: prepared.cutOff)
                        : .sameDataSet(record.id, cutOff: prepared.cutOff)
                case .duplicate(let id):
                    let healed = prepared.volumes.map(\.identity.ordinal).filter {
                        !retired.contains($0)
                    }.sorted()
                    var body = JSONObject([
                        .init("sha256", .string(prepared.staged.digest.hex)),
                        .init("from", .string(prepared.request.source)),
                    ])
                    if !healed.isEmpty {
                        body.append("healed", .array(healed.map { .int(Int64($0)) }))
                    }
                    if !prepared.verified.isEmpty {
                        body.append("verified", .array(prepared.verified.map { .int(Int64($0)) }))
                    }
                    let entry = LedgerEntry(
                        kind: "duplicate", by: actor, time: Timestamp(nanoseconds: time), body: body
                    )
                    try apply(entry, with: writer)
                    entries.append(entry)
                    return .duplicate(id)
                }
            }
        }
    }

    /// Records that a file was set aside.
    func record(_ reject: RejectRecord) throws {
        _ = try appending { writer, entries in
            var reject = reject
            reject.time = nextTime()
            try writer.apply(reject)
            entries.append(reject.entry(by: actor))
        }
    }

    /// - parameter isBeginning: nobody is promised anything: one volume is enough
    func appending<R>(
        isBeginning: Bool = false, _ body: (IndexWriter, inout [LedgerEntry]) throws -> R
    ) throws -> Recorded<R> {
        if !isBeginning { try admitAbsent() }
        // An earlier commit of the index may have failed after its records were durable, or a
        // volume has come back with some: they come first, or they would be passed over for good.
        // Whether that is so can be seen in a transaction only; outside of one, what another
        // thread is just recording looks the same.
        for _ in 1...3 {
            do { return try appendingNow(body) } catch is Behind { try replay() }
        }
        throw ArchiveError(
            .index,
            "The index is behind the ledger and cannot be brought up. Is the disk of the archive's directory full?"
        )
    }

    /// The index lacks records of the ledger. Nothing was recorded.
    private struct Behind: Error {}

    private func appendingNow<R>(_ body: (IndexWriter, inout [LedgerEntry]) throws -> R) throws
        -> Recorded<R>
    {
        var isAppended = false
        do {
            return try index.write { writer in
                guard try !isBehind(writer) else { throw Behind() }
                var entries: [LedgerEntry] = []
                let views = views
                let result: R
                let append: LedgerAppend
                do {
                    result = try body(writer, &entries)
                    append = try ledger.append(entries, enough: max(1, minimum))
                } catch {
                    // Nothing came of it: what was shown is shown. No other change may see another state.
                    show(views)
                    throw error
                }
                isAppended = true
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
        } catch  where isAppended {
            // Archived, but not indexed: take it from the ledger, as the next start would.
            _ = try? replay()
            throw Unindexed(reason: "\(error)")
        }
    }

    private func isBehind(_ writer: IndexWriter) throws -> Bool {
        try writer.reader.position().map(\.number) ?? 0 != UInt64(ledger.position.number)
    }

    /// Lets volumes that have dropped out take part again, if they can.
    ///
    /// - throws: ``ArchiveError`` when the ledger is on too few volumes even so: then nothing
    ///   may be promised
    private func admitAbsent() throws {
        admitDropped()
        guard ledger.volumes.count >= minimum else {
            throw ArchiveError(
                .storage,
                "The catalogue can be written on \(ledger.volumes.count) of the volumes only, \(minimum) are needed. Look at \"pacsfs status\"."
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
                        "The ledger cannot be written on volume \(volume.identity.ordinal): \(error)"
                    )
                }
            }
        }
    }

    /// What came of a change, when it is in the ledger.
    struct Recorded<R> {
        var result: R
        /// The directories that show something new.
        var changedNodes: Set<Int64>
        /// The ledger could not be written on as many volumes as are wanted.
        var isShort: Bool
    }

    /// It is in the ledger, but the index did not take it the usual way.
    struct Unindexed: Error { var reason: String }
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
