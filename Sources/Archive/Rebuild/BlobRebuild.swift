import DICOM
import Foundation
import Logging
import Naming
import Storage
import System
import TagIndex

/// Makes ledger and index anew from bare blobs, where no volume has a usable ledger.
///
/// Every blob is read: a good copy is one whose content is what its name says. Images come in
/// the order of their files' times, so that of two with the same name the later one gets the
/// suffix again.
struct BlobRebuild {
    let archive: String
    let id: String
    let settings: Settings
    let volumes: VolumeSet
    let log: Logger
    let progress: @Sendable (RebuildProgress) -> Void

    /// The `user.pacsfs.original-path` of an image whose record was lost.
    static let source = "rebuilt from blobs"
    private static let batch = 64

    /// What the copies of one blob are.
    private struct Reading: Sendable {
        var bytes: Int64 = 0
        /// Volumes with a good copy.
        var good: [Int] = []
        /// Volumes with a bad copy.
        var bad: [Int] = []
        var attributes: AttributeSet?
        var flags: Int64 = 0
        var dataSet: DataSetPlace?
    }

    /// - Throws: ``ArchiveError`` with code `configuration` when a volume has a usable ledger.
    func run() throws -> RebuildSummary {
        let start = ContinuousClock.now
        let site = Ledger.site(archive: id)
        let online = volumes.online
        for volume in online where !LedgerReplacement.isNeeded(on: volume, site: site) {
            throw ArchiveError(
                .configuration,
                """
                The ledger on \(volume.path) can be read to its end, and knows more than the \
                blobs do. Use it: pacsfs rebuild without --from-blobs. Nothing was changed.
                """
            )
        }
        let indexPath = ArchivePaths(archive).index
        let found = try FoundBlobs(path: indexPath + ".blobs")
        for volume in online {
            try found.add(volume: volume.identity.ordinal) { add in
                try volume.listBlobs { try add($0.digest.bytes, $0.modified.nanoseconds) }
            }
        }
        let total = try found.count()
        guard total > 0 else {
            throw ArchiveError(
                .notFound,
                """
                There is no blob on the volumes \(online.map(\.path).joined(separator: ", ")). \
                Nothing was changed.
                """
            )
        }
        let replacement = try LedgerReplacement(site: site, on: volumes.writable)
        for suffix in ["", "-wal", "-shm"] { unlink(indexPath + ".new" + suffix) }
        let index = try TagIndex(path: indexPath + ".new")
        var summary = RebuildSummary(records: 0, images: 0, seconds: 0)
        do {
            let recorder = Recorder(
                index: index, ledger: replacement.ledger, views: settings.views, volumes: volumes)
            var bytes: Int64 = 0
            var isBegun = false
            try found.forEach(batchesOf: Self.batch) { blobs in
                if !isBegun { try recorder.begin(online.map(\.identity), at: blobs[0].time) }
                isBegun = true
                let readings = read(blobs)
                let images = zip(blobs, readings).filter { $1.attributes != nil }
                try recorder.record(images.map { $0 })
                for (blob, reading) in zip(blobs, readings) {
                    bytes += reading.bytes
                    let hex = Digest(bytes: blob.sha256)?.hex ?? ""
                    for ordinal in reading.bad {
                        log.error("The copy of \(hex) on volume \(ordinal) is damaged.")
                    }
                    guard reading.attributes == nil else { continue }
                    let fault =
                        reading.good.isEmpty
                        ? "no copy of it is good" : "it is not an image that can be read"
                    log.error(
                        """
                        The blob \(hex) is left out: \(fault).
                        """
                    )
                    summary.leftOut.append(hex)
                }
                summary.damagedCopies += Int64(readings.reduce(0) { $0 + $1.bad.count })
                summary.images += Int64(images.count)
                progress(
                    RebuildProgress(
                        step: .blobs, records: summary.images, bytes: bytes, totalBytes: 0))
            }
        } catch {
            index.close()
            throw error
        }
        index.close()
        try replacement.install()
        _ = try IndexOpening.install(
            indexPath, because: "\"pacsfs rebuild --from-blobs\" was called.", archive: archive)
        summary.records = replacement.ledger.position.number
        summary.seconds = (ContinuousClock.now - start) / .seconds(1)
        return summary
    }

    /// Reads the copies of some blobs, on all cores.
    private func read(_ blobs: [FoundBlobs.Blob]) -> [Reading] {
        let readings = Lock(Array(repeating: Reading(), count: blobs.count))
        let threads = min(blobs.count, ProcessInfo.processInfo.activeProcessorCount)
        _ = onAll(Array(0..<threads)) { first in
            for index in stride(from: first, to: blobs.count, by: threads) {
                let reading = read(blobs[index])
                readings.withLock { $0[index] = reading }
            }
        }
        return readings.withLock { $0 }
    }

    private func read(_ blob: FoundBlobs.Blob) -> Reading {
        var reading = Reading()
        guard let digest = Digest(bytes: blob.sha256) else { return reading }
        for ordinal in blob.volumes {
            guard let volume = volumes[ordinal] else { continue }
            do {
                let file = try volume.openBlob(digest)
                var status = stat()
                guard fstat(file.number, &status) == 0 else {
                    throw ArchiveError(.storage, "fstat failed")
                }
                let bytes = Int64(status.st_size)
                guard
                    try Digest.of(descriptor: file.number, bytes: bytes, path: volume.path)
                        == digest
                else {
                    reading.bad.append(ordinal)
                    continue
                }
                reading.bytes = bytes
                reading.good.append(ordinal)
                guard reading.attributes == nil else { continue }
                var reader = HeaderReader()
                let header = try reader.readUpToPixels(
                    FileDescriptorSource(descriptor: file.number)
                ).header
                reading.attributes = AttributeSet(header)
                reading.flags = Int64(header.flags.rawValue)
                reading.dataSet = DataSetPlace(header)
            } catch {
                if !reading.good.contains(ordinal) { reading.bad.append(ordinal) }
            }
        }
        return reading
    }

    /// Writes the new ledger, and the new index with it.
    private final class Recorder {
        private let index: TagIndex
        private let ledger: Ledger
        private let views: [View]
        private let sameDataSet: SameDataSet
        private var lastTime: Int64 = 0
        private let actor = NSUserName()

        init(index: TagIndex, ledger: Ledger, views: [View], volumes: VolumeSet) {
            sameDataSet = SameDataSet(volumes: volumes, index: index, checker: CopyChecker())
            self.index = index
            self.ledger = ledger
            self.views = views
        }

        /// A time for the next record: times only go up, and none is later than now.
        private func next(_ time: Int64) -> Int64 {
            lastTime = max(min(time, Timestamp.now().nanoseconds), lastTime + 1)
            return lastTime
        }

        private func append(_ body: (IndexWriter, inout [LedgerEntry]) throws -> Void) throws {
            try index.write { writer in
                var entries: [LedgerEntry] = []
                try body(writer, &entries)
                guard let end = try ledger.append(entries).ends.last else { return }
                try writer.setPosition(IndexedPosition(end))
            }
        }

        /// The first records: which volumes there are, and which views are shown.
        func begin(_ volumes: [VolumeIdentity], at time: Int64) throws {
            try append { writer, entries in
                var replay = LedgerReplay(views: [])
                let events =
                    volumes.map { LedgerEvent.volume(.add($0)) } + [.views(ViewsEvent(views))]
                for event in events {
                    let time = Timestamp(nanoseconds: next(time))
                    try replay.apply(event, at: time, with: writer)
                    entries.append(event.entry(by: actor, at: time))
                }
            }
        }

        func record(_ images: [(FoundBlobs.Blob, Reading)]) throws {
            guard !images.isEmpty else { return }
            try append { writer, entries in
                for (blob, reading) in images {
                    guard let attributes = reading.attributes,
                        let digest = Digest(bytes: blob.sha256)
                    else { continue }
                    let time = Timestamp(nanoseconds: next(blob.time))
                    let place = try writer.assign(
                        attributes, hex: digest.hex, received: time.nanoseconds, views: views)
                    if let series = place.newSeries {
                        entries.append(LedgerEvent.series(series).entry(by: actor, at: time))
                    }
                    let same = try same(digest, reading, writer.reader)
                    let more = same == nil ? 0 : Int64(HeaderFlags.sameDataSet.rawValue)
                    let record = InstanceRecord(
                        id: place.instance, series: place.series, sha256: blob.sha256,
                        bytes: reading.bytes,
                        received: time.nanoseconds, name: place.name, uidName: place.uidName,
                        flags: reading.flags | more,
                        source: BlobRebuild.source, volumes: reading.good.sorted(),
                        difference: place.difference, same: same?.bytes)
                    let uid = attributes[.sopInstanceUID]
                    try writer.apply(record, sopInstanceUID: uid)
                    entries.append(
                        LedgerEvent.ingest(IngestEvent(record, uid: uid)).entry(
                            by: actor, at: time))
                }
            }
        }

        /// The digest of the first image with the same data set.
        private func same(
            _ digest: Digest, _ reading: Reading, _ reader: IndexReader
        ) throws -> Digest? {
            guard let place = reading.dataSet else { return nil }
            let versions = try reader.firstVersions(
                sopInstanceUID: place.sopInstanceUID, limit: SameDataSet.most
            ).compactMap { try reader.copies(of: $0) }
            guard !versions.isEmpty,
                let volume = reading.good.compactMap({ sameDataSet.volumes[$0] }).first
            else { return nil }
            let file = try volume.openBlob(digest)
            return try sameDataSet.first(
                of: versions, with: (file.number, reading.bytes, place))?.digest
        }
    }
}
