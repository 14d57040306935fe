import DICOM
import Foundation
import Offsite
import Storage
import System
import TagIndex

/// Restores from one source alone, as if nothing else were left, and compares what comes with the
/// archive. In this order:
///
///     ledger     brought here, each hash of its chain compared; an index is made from it alone
///     images     a sample, or all: hashed before anything of them is believed, then compared
///     pixels     of those, decoded by DCMTK
///     listing    of the whole source: what else is not as it should be
///     wipe test  of a remote: what this machine's own keys can destroy there
///
/// What comes lies in a folder of its own, which is removed at the end.
struct Drill {
    let core: ArchiveCore
    let offsite: OffsiteRemotes
    let rejected: RejectedFiles
    /// Of a disk that is taken home: where it is, and how far its ledger goes.
    let removable: RemovableVolumes.Place?
    let source: DrillSource
    let shouldStop: () -> Bool
    let show: (DrillProgress) -> Void

    var report: DrillReport
    private var progress: DrillProgress
    private let scratch: String

    /// Images that are in the sample besides those of each modality and year.
    private static let byChance = 10
    /// The most modalities and years.
    private static let mostGroups = 60
    /// Images that are fetched together, and their bytes.
    private static let batch = (images: 16, bytes: Int64(64 << 20))
    private static let leastRoom: Int64 = 64 << 20
    /// As many images may be broken when none can be decoded.
    private static let mostBroken = 3

    init(
        _ core: ArchiveCore, offsite: OffsiteRemotes, rejected: RejectedFiles,
        _ source: DrillSource, removable: RemovableVolumes.Place?, isFull: Bool, seed: UInt32,
        shouldStop: @escaping () -> Bool, show: @escaping (DrillProgress) -> Void
    ) {
        (self.core, self.offsite, self.source) = (core, offsite, source)
        (self.rejected, self.removable) = (rejected, removable)
        (self.shouldStop, self.show) = (shouldStop, show)
        report = DrillReport(
            source, of: core.id, isFull: isFull, seed: seed,
            at: Timestamp(nanoseconds: core.clock.utc))
        progress = DrillProgress(source: source.key)
        scratch = Self.scratch(core, source)
    }

    /// A folder on the disk with the most room, on another volume than the source if possible.
    private static func scratch(_ core: ArchiveCore, _ source: DrillSource) -> String {
        let volumes = core.volumes.writable.map { (volume: $0, free: (try? $0.freeSpace()) ?? 0) }
        let others = volumes.filter { .volume($0.volume.identity.ordinal) != source }
        let best =
            others.filter { $0.free > leastRoom }.max { $0.free < $1.free }
            ?? volumes.max { $0.free < $1.free }
        return best.map { "\($0.volume.path)/staging/drill" } ?? "\(core.path)/drill.scratch"
    }

    /// - Returns: What was found; failures are in it.
    /// - Throws: ``ArchiveError`` with code `shuttingDown` when it was stopped.
    mutating func run() throws -> DrillReport {
        try? FileManager.default.removeItem(atPath: scratch)
        defer { try? FileManager.default.removeItem(atPath: scratch) }
        do {
            try FileManager.default.createDirectory(
                atPath: scratch + "/ledger", withIntermediateDirectories: true,
                attributes: [.posixPermissions: 0o700])
            try drill()
        } catch {
            try checkStop()
            note(error, about: "")
        }
        report.ended = Timestamp(nanoseconds: core.clock.utc)
        report.result = report.failureCount == 0 ? .passed : .failed
        return report
    }

    private func checkStop() throws {
        if shouldStop() { throw ArchiveError(.shuttingDown, "The drill was stopped.") }
    }

    // MARK: Steps

    private mutating func drill() throws {
        let (place, expected) = try expectation()
        let origin = try origin()
        let id = try origin.archive()
        guard id == core.id else {
            return report.fail(
                .foreign, "", "It belongs to the archive \(id), and not to this one.")
        }
        report.ledger.expected = expected.number
        var through = Int64.max
        if let ledger = try readLedger(of: origin, expected) {
            let theirs = try TagIndex(readingFrom: ledger.index)
            defer { theirs.close() }
            let last = try theirs.read { try $0.lastInstance() }
            (report.images, report.bytes) = try core.index.read {
                try $0.drilledImages(at: place, through: last)
            }
            through = last
            try restore(from: origin, theirs, place, through: last)
        } else {
            (report.images, report.bytes) = try core.index.read {
                try $0.drilledImages(at: place, through: .max)
            }
        }
        try checkStop()
        try list(place, through: through)
        if case .remote(let name) = source {
            try checkStop()
            do { report.wipeTest = try offsite.testWipe(name) } catch {
                core.log.error("The wipe test of \"\(name)\" could not be done: \(error)")
            }
        }
    }

    /// Where images should be, and how far the ledger there should go at least. The head of that
    /// record is known when it costs nothing.
    private func expectation() throws -> (DrilledPlace, (number: Int64, head: Digest?)) {
        switch source {
        case .volume where removable != nil: return (.everything, (removable?.records ?? 0, nil))
        case .volume(let ordinal):
            let position = core.catalogue.position
            return (.volume(ordinal), (position.number, position.head))
        case .remote(let name):
            guard
                let remote = try core.index.read({ try $0.remotes() }).first(where: {
                    $0.name == name
                })
            else { throw ArchiveError(.notFound, "There is no remote \"\(name)\".") }
            var through: Int64 = 0
            // With those that a check has missed.
            try core.index.read { reader in
                try reader.objects(onRemote: remote.id) { through = max(through, $0.through ?? 0) }
            }
            guard through > 0 else {
                throw ArchiveError(
                    .notFound, "Nothing has been brought there yet.",
                    remedy: "Bring it there: pacsfs offsite push \(name)")
            }
            return (.remote(remote.id), (through, nil))
        }
    }

    private func origin() throws -> RestoreOrigin {
        switch source {
        case .volume(let ordinal):
            guard let path = removable?.path ?? core.volumes[ordinal]?.path else {
                throw OffsiteError(
                    .unreachable, "The volume is not there", path: "volume \(ordinal)",
                    remedy: "Plug its disk in and mount it.")
            }
            return .folder(path)
        case .remote(let name):
            var secrets = try RemoteSecrets(name, of: core.path)
            secrets.bandwidth = core.settings.remote(name).bandwidth
            return .remote(secrets)
        }
    }

    /// - Returns: `nil` when it cannot be believed.
    private mutating func readLedger(
        of origin: RestoreOrigin, _ expected: (number: Int64, head: Digest?)
    ) throws -> ScratchLedger? {
        let ledger: ScratchLedger
        do {
            let shouldStop = shouldStop
            ledger = try ScratchLedger(of: origin, in: scratch + "/ledger") { !shouldStop() }
        } catch {
            try checkStop()
            note(error, about: "ledger")
            return nil
        }
        (report.ledger.records, report.ledger.head) = (ledger.records, ledger.head.hex)
        if ledger.records < expected.number {
            report.fail(
                .rolledBack, "ledger",
                """
                The ledger ends at record \(ledger.records), and record \(expected.number) was \
                there: somebody or something put it back to an earlier state.
                """)
        }
        let number = min(ledger.records, expected.number)
        let site = Ledger.site(archive: core.id)
        let own =
            try number == expected.number && expected.head != nil
            ? expected.head : ownHead(of: number, site)
        let theirs = try Self.head(of: number, in: ledger.volume, site)
        if let own, own != theirs {
            report.fail(
                .ledgerForked, "ledger",
                """
                The ledger is whole, and its record \(number) is another one than here: somebody \
                wrote it anew. Compare the volumes: pacsfs verify
                """)
            return nil
        }
        return ledger
    }

    private static func head(
        of number: Int64, in volume: Volume, _ site: String
    ) throws -> Digest? {
        var chain = try LedgerChain(volume: volume, site: site)
        while let record = try chain.next() {
            if record.number == number { return record.end.head }
        }
        return nil
    }

    /// The head of a record here; another volume than the source is asked, where there is one.
    private func ownHead(of number: Int64, _ site: String) throws -> Digest? {
        let volumes = core.catalogue.ledger.volumes.compactMap { core.volumes[$0] }
        let others = volumes.filter { .volume($0.identity.ordinal) != source }
        guard let volume = (others + volumes).first else { return nil }
        return try Self.head(of: number, in: volume, site)
    }

    // MARK: The listing

    /// Looks at everything that is there, without reading it.
    private mutating func list(_ place: DrilledPlace, through last: Int64) throws {
        switch (source, place) {
        case (.remote(let name), .remote(let id)):
            do { try list(remote: name, id) } catch {
                try checkStop()
                // An earlier step has met the same.
                if report.failureCount == 0 { note(error, about: "") }
            }
        case (.volume(let ordinal), _): try list(volume: ordinal, place, through: last)
        default: break
        }
    }

    private mutating func list(remote name: String, _ id: Int64) throws {
        let check = try offsite.check(name, isFetching: false) { _ in }
        for fault in check.faults {
            let kind: DrillFault =
                switch fault.fault {
                case .missing:
                    OffsiteLayout.records(ofTail: fault.object) != nil
                        || OffsiteLayout.number(ofSegment: fault.object) != nil
                        ? .ledgerMissing : .missing
                case .truncated: .truncated
                case .changed, .corrupt: .changed
                case .swapped: .swapped
                case .unhashed, .doubled: .listing
                }
            report.fail(
                kind, fault.object,
                """
                The listing of the remote: this object is \(fault.fault.rawValue). It is brought \
                there again where that is possible: pacsfs offsite push \(name)
                """)
        }
        if check.rolledBack > 1 {
            report.fail(
                .rolledBack, "",
                """
                The \(check.rolledBack) newest objects are gone together: the remote was put back \
                to an earlier state.
                """)
        }
        (report.listed, report.hashSeen) = try core.index.read {
            try $0.listedImages(onRemote: id, through: .max)
        }
        // Images came there meanwhile.
        report.listed = min(report.listed, report.images)
        report.hashSeen = min(report.hashSeen, report.images)
    }

    private mutating func list(
        volume ordinal: Int, _ place: DrilledPlace, through last: Int64
    ) throws {
        guard let path = removable?.path ?? core.volumes[ordinal]?.path else { return }
        // Images that came since are on a volume of the archive at once.
        let last = removable == nil ? Int64.max : last
        var after: Int64 = 0
        let known = Set(report.failures.map(\.subject))
        while true {
            try checkStop()
            let images = try core.index.read {
                try $0.drilledImages(at: place, after: after, through: last, limit: 1000)
            }
            guard let end = images.last else { return }
            after = end.id
            for image in images {
                guard let digest = Digest(bytes: image.sha256) else { continue }
                var status = stat()
                let file = "\(path)/\(OffsiteLayout.blob(digest))"
                let isThere = lstat(file, &status) == 0
                if isThere, status.st_mode & S_IFMT == S_IFREG, status.st_size == image.bytes {
                    report.listed += 1
                    continue
                }
                // What restoring has found is said already.
                if known.contains(digest.hex) { continue }
                if !isThere {
                    missing(digest.hex)
                } else if status.st_mode & S_IFMT != S_IFREG {
                    notAFile(digest.hex)
                } else {
                    wrongSize(digest.hex, Int64(status.st_size), image.bytes)
                }
            }
        }
    }

    // MARK: Images

    private mutating func restore(
        from origin: RestoreOrigin, _ theirs: TagIndex, _ place: DrilledPlace,
        through last: Int64
    ) throws {
        let objects = try origin.source(theirs, scratch: scratch + "/objects")
        defer { objects.discard() }
        let checker = RestoredImages(core: core, theirs: theirs, source: source, scratch: scratch)
        var speed = Speed()
        var asked: Set<String> = []
        func bring(_ some: [(WantedImage, String)], _ drill: inout Drill) throws {
            try drill.checkStop()
            let blobs = some.compactMap { image, _ in
                Digest(bytes: image.sha256).map { StagedBlob(digest: $0, bytes: image.bytes) }
            }
            let stop = drill.shouldStop
            try speed.measure { try objects.fetch(blobs, shouldStop: stop) }
            speed.bytes += try drill.bytes(of: blobs, theirs, &asked)
            for (blob, (image, reason)) in zip(blobs, some) {
                if drill.report.sample.count < DrillReport.mostListed {
                    drill.report.sample.append(
                        .init(sha256: blob.digest.hex, bytes: blob.bytes, reason: reason))
                }
                try checker.check(blob, image.id, from: objects, &drill.report, &speed)
                drill.progress.images += 1
                drill.progress.bytes += blob.bytes
                drill.show(drill.progress)
            }
        }
        if report.isFull {
            (progress.totalImages, progress.totalBytes) = (report.images, report.bytes)
            var after: Int64 = 0
            while true {
                let images = try core.index.read {
                    try $0.drilledImages(
                        at: place, after: after, through: last, limit: Self.batch.images)
                }
                guard let end = images.last else { break }
                after = end.id
                for some in Self.batches(images.map { ($0, "all") }) { try bring(some, &self) }
            }
        } else {
            let sample = try affordable(sample(of: place, through: last), theirs)
            progress.totalImages = Int64(sample.count)
            progress.totalBytes = sample.reduce(0) { $0 + $1.0.bytes }
            for some in Self.batches(sample) { try bring(some, &self) }
        }
        try estimate(speed, place)
        if report.decoded == 0, report.broken.count > Self.mostBroken {
            report.fail(
                .pixels, "",
                """
                Of none of \(report.broken.count) images the pixels can be decoded: is DCMTK \
                whole? Try one by hand with dcmj2pnm.
                """)
        }
        try restoreRejected(from: objects, theirs, place)
    }

    /// What of a sample comes within the bytes that a drill may fetch. The newest image comes in
    /// any case.
    private mutating func affordable(
        _ sample: [(WantedImage, String)], _ theirs: TagIndex
    ) throws -> [(WantedImage, String)] {
        guard let most = core.settings.drillBytes else { return sample }
        var (asked, bytes) = (Set<String>(), Int64(0))
        let chosen = try sample.filter { image, _ in
            guard let digest = Digest(bytes: image.sha256) else { return false }
            let blob = StagedBlob(digest: digest, bytes: image.bytes)
            let before = asked
            let more = try self.bytes(of: [blob], theirs, &asked)
            if more > 0, bytes > 0, bytes + more > most {
                asked = before
                return false
            }
            bytes += more
            return true
        }
        report.leftOut = Int64(sample.count - chosen.count)
        return chosen
    }

    /// The newest, the oldest, one of each modality and year, some by chance.
    private func sample(
        of place: DrilledPlace, through last: Int64
    ) throws -> [(WantedImage, String)] {
        let seed = report.seed
        return try core.index.read { reader in
            var chosen: [(WantedImage, String)] = []
            if let ends = try reader.drilledEnds(at: place, through: last) {
                chosen += [(ends.newest, "newest"), (ends.oldest, "oldest")]
            }
            chosen += try reader.drilledGroups(
                at: place, through: last, seed: seed, limit: Self.mostGroups
            ).map { ($0.image, $0.group) }
            chosen += try reader.drilledByChance(
                at: place, through: last, seed: seed, limit: Self.byChance
            ).map { ($0, "random") }
            var known: Set<Int64> = []
            return chosen.filter { known.insert($0.0.id).inserted }
        }
    }

    private static func batches(
        _ images: [(WantedImage, String)]
    ) -> [[(WantedImage, String)]] {
        var batches: [[(WantedImage, String)]] = []
        var bytes: Int64 = 0
        for image in images {
            let isFull = batches.last.map { $0.count >= batch.images } ?? true
            if isFull || bytes + image.0.bytes > batch.bytes {
                batches.append([])
                bytes = 0
            }
            batches[batches.count - 1].append(image)
            bytes += image.0.bytes
        }
        return batches
    }

    /// Bytes that were brought here for these: whole objects, each once.
    private func bytes(
        of blobs: [StagedBlob], _ theirs: TagIndex, _ asked: inout Set<String>
    ) throws -> Int64 {
        guard case .remote(let name) = source else { return blobs.reduce(0) { $0 + $1.bytes } }
        return try theirs.read { reader in
            guard let remote = try reader.remotes().first(where: { $0.name == name }) else {
                return blobs.reduce(0) { $0 + $1.bytes }
            }
            return try blobs.reduce(0) { sum, blob in
                let places = try reader.offsitePlaces(sha256: blob.digest.bytes)
                guard let object = places.first(where: { $0.remote == name })?.object else {
                    return sum + blob.bytes
                }
                guard asked.insert(object).inserted else { return sum }
                return sum + (try reader.object(object, onRemote: remote.id)?.bytes ?? blob.bytes)
            }
        }
    }

    private mutating func estimate(_ speed: Speed, _ place: DrilledPlace) throws {
        guard speed.bytes > 0, speed.seconds > 0 else { return }
        report.rate = max(1, Int64(Double(speed.bytes) / speed.seconds))
        var all = report.bytes
        if case .remote(let id) = place {
            all = try core.index.read { try $0.objectBytes(onRemote: id) }
        }
        report.fullRestoreS = Int64((Double(all) / Double(report.rate)).rounded(.up))
    }

    // MARK: Words

    private mutating func missing(_ subject: String) {
        RestoredImages.missing(subject, source, &report)
    }

    private mutating func notAFile(_ subject: String) {
        RestoredImages.notAFile(subject, source, &report)
    }

    private mutating func wrongSize(_ subject: String, _ found: Int64, _ bytes: Int64) {
        RestoredImages.wrongSize(subject, found, bytes, source, &report)
    }

    /// Takes note of an error that ended a step.
    private mutating func note(_ error: any Error, about subject: String) {
        report.fail(Self.fault(of: error, subject), subject, "\(error)")
    }

    private static func fault(of error: any Error, _ subject: String) -> DrillFault {
        switch error {
        case let error as OffsiteError:
            switch error.code {
            case .wrongKeys: return .keys
            case .notFound where subject == "ledger": return .ledgerMissing
            case .noRclone, .local, .noLocalSpace: return .local
            case .configuration: return .foreign
            default: return .unreachable
            }
        case let error as ArchiveError:
            switch error.code {
            case .notFound: return .empty
            case .storage where subject == "ledger":
                // A fault of the chain has a place.
                return error.path == nil ? .ledgerMissing : .ledgerChanged
            case .newerFormat: return .ledgerChanged
            case .noSpace, .indexAccess, .file, .resources: return .local
            default: return .unreachable
            }
        case let error as StorageError:
            switch error.code {
            case .corrupt where error.path?.hasSuffix("/" + LedgerPieces.folder) == true:
                return .ledgerMissing
            case .corrupt: return .ledgerChanged
            case .notFound where subject == "ledger": return .ledgerMissing
            case .noSpace: return .local
            default: return .unreachable
            }
        default: return .local
        }
    }
}

/// How fast a source gives what is asked for.
struct Speed {
    var bytes: Int64 = 0
    private(set) var seconds: Double = 0

    mutating func measure<R>(_ body: () throws -> R) rethrows -> R {
        let start = ContinuousClock.now
        defer { seconds += (ContinuousClock.now - start) / .seconds(1) }
        return try body()
    }
}
