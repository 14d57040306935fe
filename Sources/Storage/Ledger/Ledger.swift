import JSON
import System

/// The ledger of this installation, on all volumes at once: append-only lines of JSON, each
/// with the hash of the one before. Every volume has identical bytes.
///
/// ```
/// VOLUME/ledger/<site>/000001.jsonl     see LedgerFolder for segments, LedgerLine for lines
/// ```
///
/// A volume whose append fails drops out: its part of the batch is cut off, its ledger is a
/// beginning of the others' from then on, and ``admit(_:)`` tops it up. A batch that no volume
/// has as a whole is taken back everywhere.
///
/// Appends take turns; each waits for all disks, which work in parallel. For speed, append all
/// events at hand in one batch.
public final class Ledger: Sendable {
    /// What others see while an append waits for disks.
    private struct Shown {
        var position: LedgerPosition
        var volumes: [Int]
    }

    private struct State {
        var position: LedgerPosition
        var writers: [LedgerWriter]
        /// Where the reliable part ends of volumes that dropped out and may have bytes after it, by
        /// the volume's id.
        var unsound: [String: LedgerPosition] = [:]

        var shown: Shown {
            Shown(position: position, volumes: writers.map(\.volume.identity.ordinal))
        }
    }

    /// A segment of so many bytes or more is closed; the next batch begins a new one.
    public static let segmentLimit: Int64 = 16 << 20
    /// The most bytes that one batch may have, and so a ``TornTail``.
    public static let batchLimit = 4 << 20

    /// The name of this ledger's folder.
    public let site: String
    private let limit: Int64
    private let state: Lock<State>
    private let shown: Lock<Shown>

    /// The name of an archive's ledger folder: the first eight digits of its id.
    public static func site(archive: String) -> String {
        String(archive.lowercased().filter { $0 != "-" }.prefix(8))
    }

    /// How many bytes a volume's copy of a ledger has.
    ///
    /// - Throws: `notFound` when the volume has none.
    public static func bytes(on volume: Volume, site: String) throws(StorageError) -> Int64 {
        try LedgerFolder(site: site, on: volume).list().sizes.values.reduce(0, +)
    }

    /// Opens the ledger of an archive on its volumes, after bringing them to the same state;
    /// see ``LedgerRecovery``.
    ///
    /// - Parameters:
    ///   - volumes: The volumes that are present; at least one.
    ///   - segmentLimit: When a segment is closed, in bytes.
    /// - Returns: The ledger, and the report of recovery.
    /// - Throws: `diverged` when two volumes have different records; nothing is changed then.
    ///   When no volume can take part, the error of the first.
    public static func open(
        on volumes: [Volume], archive: String, segmentLimit: Int64 = segmentLimit
    ) throws(StorageError) -> (Ledger, LedgerRecovery) {
        try open(on: volumes, site: site(archive: archive), segmentLimit: segmentLimit)
    }

    private static func open(
        on volumes: [Volume], site: String, segmentLimit: Int64
    ) throws(StorageError) -> (Ledger, LedgerRecovery) {
        let (recovery, writers) = try LedgerRecovery.run(on: volumes, site: site)
        return (
            Ledger(
                site: site, limit: segmentLimit,
                State(position: recovery.end, writers: writers)),
            recovery
        )
    }

    /// Opens a ledger in a folder of another name.
    ///
    /// - Throws: As ``open(on:archive:segmentLimit:)``.
    static func open(on volumes: [Volume], site: String) throws(StorageError) -> Ledger {
        try open(on: volumes, site: site, segmentLimit: segmentLimit).0
    }

    private init(site: String, limit: Int64, _ state: consuming sending State) {
        self.site = site
        self.limit = limit
        shown = Lock(state.shown)
        self.state = Lock(state)
    }

    /// Where the next record goes.
    public var position: LedgerPosition { shown.withLock { $0.position } }

    /// The ordinals of the volumes that take part.
    public var volumes: [Int] { shown.withLock { $0.volumes } }

    /// One change at a time.
    private func changing<R>(
        _ body: (inout State) throws(StorageError) -> R
    ) throws(StorageError) -> R {
        try state.withLock { (state) throws(StorageError) in
            defer {
                let new = state.shown
                shown.withLock { $0 = new }
            }
            return try body(&state)
        }
    }

    /// Appends records to all volumes and returns when they are durable.
    ///
    /// - Parameters:
    ///   - entries: At most ``batchLimit`` bytes of lines.
    ///   - enough: When some volumes are full and at least so many others have the batch, the
    ///     full ones drop out.
    /// - Returns: Where each record ended, and the volumes that failed and have dropped out. At
    ///   least one volume has the whole batch.
    /// - Throws: `noSpace` when a volume is full and too few others have the batch, and when no
    ///   volume could take the batch what the first one said. The batch was taken back everywhere
    ///   then; a volume where that failed too has dropped out.
    ///   `invalidArgument` for a batch that is too large or a body with a key that is taken.
    public func append(_ entries: [LedgerEntry], enough: Int = .max) throws(StorageError)
        -> LedgerAppend
    {
        try changing { (state) throws(StorageError) in
            try append(entries, enough: enough, &state)
        }
    }

    private func append(
        _ entries: [LedgerEntry], enough: Int, _ state: inout State
    ) throws(StorageError) -> LedgerAppend {
        guard !entries.isEmpty else { return LedgerAppend(ends: [], failures: []) }
        guard let first = state.writers.first else {
            throw StorageError(
                .tooFewVolumes, "no volume takes ledger records", path: site,
                remedy: "The log says why they dropped out; start pacsfs again")
        }
        let begin = beginning(after: state.position)
        let (bytes, ends) = try encode(
            entries, from: begin, path: first.folder.path(begin.segment))
        let errors = LedgerWriter.onAll(state.writers) { writer throws(StorageError) in
            try writer.write(bytes, at: begin)
        }
        // A full disk is not broken: where the others are too few, the batch is taken back
        // everywhere, and the volume goes on when there is space.
        let full = errors.first { $0?.code == .noSpace } ?? nil
        let isEnough = errors.count { $0 == nil } >= enough
        if let error = (isEnough ? nil : full)
            ?? (errors.allSatisfy({ $0 != nil }) ? errors[0] : nil)
        {
            // Bytes that another program wrote stay.
            let ours = Self.canBeTakenBack(state.writers, errors, to: begin, &state.unsound)
            state.writers = Self.rollBack(ours, to: begin, &state.unsound)
            throw error
        }
        // The bytes of a sync that failed may be read, and never reach the disk: a volume that
        // comes back gets them again from another.
        let failed = zip(state.writers, errors).filter { $0.1 != nil }
        let ours = Self.canBeTakenBack(
            failed.map(\.0), failed.map(\.1), to: begin, &state.unsound)
        _ = Self.rollBack(ours, to: begin, &state.unsound)
        var failures: [LedgerAppend.Failure] = []
        for (writer, error) in zip(state.writers, errors) {
            guard let error else { continue }
            failures.append(
                LedgerAppend.Failure(volume: writer.volume.identity.ordinal, error: error))
        }
        state.writers = zip(state.writers, errors).filter { $0.1 == nil }.map(\.0)
        state.position = ends[ends.count - 1]
        return LedgerAppend(ends: ends, failures: failures)
    }

    /// The writers whose part of a batch may be cut off now. A disk that does not answer may write
    /// it at any time, until its volume is opened anew.
    private static func canBeTakenBack(
        _ writers: [LedgerWriter], _ errors: [StorageError?], to begin: LedgerPosition,
        _ unsound: inout [String: LedgerPosition]
    ) -> [LedgerWriter] {
        for (writer, error) in zip(writers, errors) where error?.code == .notAnswering {
            unsound[writer.volume.identity.volume] = begin
        }
        return zip(writers, errors).filter {
            $0.1?.code != .diverged && $0.1?.code != .notAnswering
        }.map(\.0)
    }

    /// Cuts off the part of a batch that was written.
    ///
    /// - Returns: The writers that did; the others are noted as unsound.
    private static func rollBack(
        _ writers: [LedgerWriter], to begin: LedgerPosition,
        _ unsound: inout [String: LedgerPosition]
    ) -> [LedgerWriter] {
        let errors = LedgerWriter.onAll(writers) { writer throws(StorageError) in
            try writer.rollBack(to: begin)
        }
        for (writer, error) in zip(writers, errors) where error != nil {
            unsound[writer.volume.identity.volume] = begin
        }
        return zip(writers, errors).filter { $0.1 == nil }.map(\.0)
    }

    /// Where a batch begins: in a new segment when the last one is long enough.
    private func beginning(after end: LedgerPosition) -> LedgerPosition {
        guard end.offset >= limit else { return end }
        return LedgerPosition(
            segment: end.segment + 1, offset: 0, number: end.number, head: end.head)
    }

    private func encode(
        _ entries: [LedgerEntry], from begin: LedgerPosition, path: String
    ) throws(StorageError) -> ([UInt8], [LedgerPosition]) {
        var writer = JSONWriter(capacity: entries.count * 512)
        var ends: [LedgerPosition] = []
        ends.reserveCapacity(entries.count)
        var end = begin
        for entry in entries {
            if let key = entry.body.members.first(where: { LedgerLine.keys.contains($0.key) })?.key
            {
                throw StorageError(
                    .invalidArgument, "a record has \"\(key)\" in its body, which is taken",
                    path: path, remedy: "Give it another name")
            }
            let start = writer.bytes.count
            LedgerLine.write(entry, number: end.number + 1, previous: end.head, to: &writer)
            end.number += 1
            end.offset = begin.offset + Int64(writer.bytes.count)
            end.head = writer.bytes.span.bytes.withUnsafeBytes { bytes in
                Digest.of(UnsafeRawBufferPointer(rebasing: bytes[start..<bytes.count - 1]))
            }
            ends.append(end)
        }
        guard writer.bytes.count <= Self.batchLimit else {
            throw StorageError(
                .invalidArgument,
                "a batch of \(writer.bytes.count) bytes, \(Self.batchLimit) are allowed",
                path: path, remedy: "Append in smaller batches")
        }
        return (writer.bytes, ends)
    }

    /// Lets a volume take part that came late or dropped out: all are brought to the same state
    /// again. When ``position`` is further on afterwards, the volume had records that the others
    /// did not have, and the caller reads them.
    ///
    /// - Returns: The report of recovery on all volumes.
    /// - Throws: As ``open(on:archive:segmentLimit:)``; the ledger continues as before then.
    public func admit(_ volume: Volume) throws(StorageError) -> LedgerRecovery {
        try changing { (state) throws(StorageError) in
            let others = state.writers.map(\.volume).filter {
                $0.identity.volume != volume.identity.volume
            }
            let id = volume.identity.volume
            // Without another volume, those bytes may be all that is left.
            if let end = state.unsound[id], !others.isEmpty {
                try volume.onDisk { [site] () throws(StorageError) in
                    let folder = try LedgerFolder(making: site, on: volume)
                    try LedgerWriter(folder, on: volume).rollBack(to: end)
                }
            }
            let (recovery, writers) = try LedgerRecovery.run(on: others + [volume], site: site)
            state.position = recovery.end
            state.writers = writers
            state.unsound[id] = nil
            return recovery
        }
    }

    /// Takes a volume out: it gets no further records.
    public func drop(_ volume: Volume) {
        state.withLock { state in
            state.writers.removeAll { $0.volume.identity.volume == volume.identity.volume }
            let new = state.shown
            shown.withLock { $0 = new }
        }
    }
}

/// The result of an append.
public struct LedgerAppend: Sendable {
    /// A volume that could not take the batch.
    public struct Failure: Sendable {
        /// The volume's ordinal.
        public var volume: Int
        public var error: StorageError
    }

    /// For each record of the batch, where the ledger goes on after it.
    public var ends: [LedgerPosition]
    /// The volumes that dropped out.
    public var failures: [Failure]
}
