import Foundation
import Storage
import TagIndex

/// Proves that ledgers, blobs and index of an archive fit together, or names what does not.
///
/// It compares, in this order:
///
/// 1. the identity file of each volume: with the archive, and with the ledger's record of it
/// 2. the ledger of each volume: every line follows the one before by its hash, from the first
/// 3. the ledgers with each other: identical bytes, or the beginning of a longer one
/// 4. the ledger with the index: the hash of the last record that the index has taken in; with
///    the head that a person noted before
/// 5. the blobs with the ledger: every copy that should be on a volume is there, and hashes to
///    its name; nothing else is there
/// 6. the rejected files with the ledger: each is somewhere, and has the digest that was recorded
///
/// A change of an image or of its record makes one of these fail, unless all ledgers, the index
/// and the note are changed together.
///
/// What a newer pacsfs wrote is neither good nor bad: it is named, and images are not looked at.
///
/// Volumes are read and never written. A daemon may work meanwhile: records that it appends are
/// compared too, and images on their way are not taken for damage.
public final class Verification {
    /// The hash of a record that a person noted before.
    public struct Head: Sendable {
        public var digest: Digest
        /// The number of the record; `nil` accepts any.
        public var number: Int64?

        /// Reads `HASH` or `HASH:NUMBER`, as `pacsfs status` prints them.
        public init?(_ text: String) {
            let parts = text.split(separator: ":", omittingEmptySubsequences: false)
            guard let digest = Digest(hex: parts[0]), parts.count <= 2 else { return nil }
            self.digest = digest
            if parts.count == 2 {
                guard let number = Int64(parts[1]), number > 0 else { return nil }
                self.number = number
            }
        }
    }

    /// How far a verification is.
    public struct Progress: Sendable {
        public var files: Int64 = 0
        public var bytes: Int64 = 0
        /// All bytes to read; 0 while the ledgers are read.
        public var totalBytes: Int64 = 0
    }

    /// The archive's directory; `nil` when none of the volumes belongs to the one that was assumed.
    private(set) var paths: ArchivePaths?
    private let isAssumed: Bool
    let places: [String]
    let isWhole: Bool
    private var identity: Archive.Identity?
    let noted: Head?
    let options: BlobScan.Options
    let shouldStop: @Sendable () -> Bool
    var report = VerificationReport()
    /// Volumes whose identity has a format that this program does not know.
    var newerIdentities: [(check: VolumeCheck, error: StorageError)] = []
    var progress = Progress()
    let tell: (Progress) -> Void

    /// - Parameters:
    ///   - path: The archive's directory; if it is not readable, `volumes` must be given.
    ///   - isAssumed: Nobody named the archive: it counts only when one of `volumes` belongs to it.
    ///   - volumes: Folders of volumes; none means all of the archive.
    ///   - head: A head that was noted before.
    ///   - shouldStop: Called from any thread; reading ends when it returns true.
    ///   - progress: Called now and then, on the calling thread.
    /// - Throws: ``ArchiveError`` when the volumes of the archive are unknown.
    public init(
        archive path: String, isAssumed: Bool = false, volumes: [String] = [], head: Head? = nil,
        options: BlobScan.Options = BlobScan.Options(),
        shouldStop: @escaping @Sendable () -> Bool = { false },
        progress: @escaping (Progress) -> Void = { _ in }
    ) throws(ArchiveError) {
        paths = ArchivePaths(path)
        self.isAssumed = isAssumed
        noted = head
        self.options = options
        self.shouldStop = shouldStop
        tell = progress
        isWhole = volumes.isEmpty
        identity = try? Archive.identity(of: path)
        if !volumes.isEmpty {
            places = volumes
        } else {
            do {
                places = try Settings(file: ArchivePaths(path).configuration).volumes.map(
                    \.path)
            } catch {
                // Without a configuration, the list that is kept for absent volumes will do.
                guard let known = identity?.volumes.map(\.path), !known.isEmpty else { throw error }
                places = known
            }
        }
    }

    /// Runs all checks.
    ///
    /// - Returns: `nil` when it was stopped.
    /// - Throws: ``ArchiveError`` when a temporary file cannot be made.
    public func run() throws(ArchiveError) -> VerificationReport? {
        var volumes = places.compactMap { present($0) }
        if isAssumed, !volumes.contains(where: { $0.archive == identity?.archive }) {
            (paths, identity) = (nil, nil)
        }
        // Before the ledgers: they may grow meanwhile, and the index is never ahead of them.
        let indexed = indexedPosition()
        report.archive = identity?.archive ?? volumes.lazy.compactMap(\.archive).first
        for volume in volumes { checkIdentity(of: volume) }
        volumes.removeAll { $0.archive != report.archive }
        for volume in volumes {
            readLedger(of: volume, indexed)
            if shouldStop() { return nil }
        }
        awaitAppends(to: volumes)
        return try ArchiveError.from {
            let copies = try RecordedCopies()
            var rejected = RecordedRejections()
            let reference = reference(among: volumes)
            if let reference {
                try compare(volumes, with: reference, indexed, copies, &rejected)
                if shouldStop() { return nil }
            }
            reportNewerIdentities(areAllKnown: report.records > 0 && report.newer == 0)
            // What images there are, records say that this program may not know.
            if let reference, report.newer == 0 {
                try checkBlobs(of: volumes, with: copies, reference)
                if shouldStop() { return nil }
                try checkRejected(of: volumes, rejected, copies)
                if shouldStop() { return nil }
            }
            for volume in volumes { report.volumes.append(volume.summary) }
            return report
        }
    }

    // MARK: The archive

    /// How far the index has taken the ledger in; `nil` when it cannot be read.
    private func indexedPosition() -> LedgerPosition? {
        guard let file = paths?.index else {
            addUnknownEnd(file: nil, "The archive of these volumes is not known (--archive).")
            return nil
        }
        do {
            let index = try TagIndex(readingFrom: file)
            defer { index.close() }
            return try index.read { try $0.position() }.map { try LedgerPosition($0) } ?? .start
        } catch {
            addUnknownEnd(file: file, "The index cannot tell where the ledger ended: \(error)")
            return nil
        }
    }

    private func addUnknownEnd(file: String?, _ reason: String) {
        add(
            .attention, nil, file: file,
            """
            \(reason) Whether the very last record was changed can be told from another volume or \
            a noted head (--head) only.
            """
        )
    }

    /// Whether another process has the archive and may append just now.
    var isInUse: Bool { paths.flatMap { Archive.holder(of: $0.directory) } != nil }

    private func present(_ place: String) -> VolumeCheck? {
        do {
            let volume = try InspectedVolume(at: place)
            if case .failure(let error) = volume.identity, error.code == .notAVolume,
                !volume.hasLayout
            {
                add(
                    .attention, nil, file: place,
                    """
                    The volume is not there and was not looked at: the folder has nothing of a \
                    volume in it.
                    """
                )
                return nil
            }
            return VolumeCheck(volume)
        } catch {
            add(
                .attention, nil, file: place,
                "The volume is not there and was not looked at: \(error)")
            return nil
        }
    }

    // MARK: Findings

    func add(
        _ severity: VerificationReport.Finding.Severity, _ volume: VolumeCheck?,
        file: String? = nil,
        line: Int? = nil, record: Int64? = nil, _ reason: String
    ) {
        report.add(
            VerificationReport.Finding(
                severity: severity, volume: volume?.path, file: file, line: line, record: record,
                reason: reason))
    }

    func add(_ fault: LedgerFault, of volume: VolumeCheck, file: String) {
        add(
            .fault, volume, file: file, line: fault.line, record: fault.expectedNumber,
            "The ledger was changed or is damaged: \(fault.reason).")
    }
}
