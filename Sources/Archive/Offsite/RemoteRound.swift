import Glibc
import Logging
import Offsite
import Storage
import System
import TagIndex

/// How far a push is.
public struct PushProgress: Codable, Sendable, Hashable {
    /// Images that went over since it began.
    public var images: Int64 = 0
    /// Bytes that went over.
    public var bytes: Int64 = 0
    /// Bytes of images that are to go, and those that went.
    public var totalBytes: Int64 = 0
}

/// Brings to a remote what is due, in batches: one is made while the one before is on its way.
/// Each batch is proven by the remote's own listing, then recorded in the ledger; what is not
/// recorded is sent, or found there, again.
///
/// The order is that in which things are of use alone: images, rejected files, the configuration,
/// and then the ledger, which names them all.
struct RemoteRound {
    let core: ArchiveCore
    let images: ImageReader
    let rejected: RejectedFiles
    let remote: RemoteRecord
    let access: RemoteAccess
    let staging: RemoteStaging
    /// Until when the server is asked to keep what goes there; `nil` for no lock.
    let lockedUntil: Timestamp?
    let shouldStop: () -> Bool
    /// Called after each step of a transfer.
    let show: (PushProgress) -> Void

    /// Where the records begin that the remote lacks.
    var tail: LedgerTail
    private(set) var progress = PushProgress()
    private var batch = Batch()
    /// The batch before, while it is on its way.
    private var sending: RemoteSending?
    /// Why something is not there that should be; the round went on without it.
    private(set) var problems: [OffsiteError] = []
    /// Names that somebody else's bytes have on the remote: images go under others.
    private(set) var taken: Set<String>
    /// Images without a good copy here.
    private(set) var unreadable = 0
    /// Nanoseconds that transfers took, and what went over in them.
    private(set) var speed = (time: Int64(0), bytes: Int64(0))

    private struct Batch {
        /// Objects by the folder that they are in.
        var objects: [String: [OutgoingObject]] = [:]
        var events: [String: OffsiteEvent] = [:]
        var count = 0
        var bytes: Int64 = 0
    }

    /// Bytes of a batch that is worth a run of rclone.
    private static let leastBytes: Int64 = 32 << 20
    /// How many images of a series are looked at together.
    private static let page = 4_096
    /// How many blobs are recorded together: a batch of the ledger is bounded.
    private static let recordedBlobs = 20_000

    init(
        core: ArchiveCore, images: ImageReader, rejected: RejectedFiles, remote: RemoteRecord,
        access: RemoteAccess, taken: Set<String>, tail: LedgerTail, lockedUntil: Timestamp?,
        shouldStop: @escaping () -> Bool,
        show: @escaping (PushProgress) -> Void
    ) throws(OffsiteError) {
        (self.core, self.images, self.rejected) = (core, images, rejected)
        (self.remote, self.access, self.taken) = (remote, access, taken)
        (self.shouldStop, self.show) = (shouldStop, show)
        (self.lockedUntil, self.tail) = (lockedUntil, tail)
        staging = try RemoteStaging(core.volumes, remote: remote.name)
    }

    private var hash: HashKind? { remote.hash.map { HashKind($0) } }

    private func checkStop() throws {
        if shouldStop() {
            throw OffsiteError(
                .stopped, "The push was stopped", path: remote.name, remedy: "Run it again.")
        }
    }

    /// Brings away everything that is due.
    ///
    /// - Parameter isAll: Whether records of the ledger go that nobody needs soon.
    /// - Throws: Why the rest did not go; what is recorded is there.
    mutating func push(
        _ due: [PackPlan.Due], _ queue: inout RemoteQueue, isAll: Bool
    ) throws {
        do {
            try pushImages(due, &queue)
            try pushRejected()
            try pushConfiguration()
            try pushReports()
            try pushLedger(isAll: isAll)
        } catch {
            // What is on its way needs what is in the staging folder.
            try? settle()
            throw error
        }
    }

    // MARK: Images

    private mutating func pushImages(_ due: [PackPlan.Due], _ queue: inout RemoteQueue) throws {
        progress.totalBytes = try bytesWaiting()
        for series in due {
            while true {
                try checkStop()
                let page = try core.index.read { reader in
                    try reader.pending(
                        onRemote: remote.id, series: series.series, limit: Self.page)
                }
                let isLast = page.count < Self.page
                let (objects, rest) = queue.plan.objects(
                    of: page.compactMap(\.planned), isWhole: series.isWhole || !isLast)
                let ids = Dictionary(
                    page.compactMap { image in
                        image.digest.map { ($0, image.id) }
                    }
                ) { first, _ in first }
                for object in objects { try add(object, ids) }
                if isLast {
                    let left = Set(rest.map(\.digest))
                    queue.settle(
                        series.series,
                        rest: page.filter { $0.digest.map { left.contains($0) } ?? false })
                    break
                }
                let before = progress.images
                try complete()
                // Those that stay would be found again and again.
                if progress.images == before { break }
            }
        }
        try complete()
    }

    private func bytesWaiting() throws -> Int64 {
        try core.index.read { reader in
            let now = try reader.remotes().first { $0.id == remote.id }
            return max(0, try reader.sums().bytes - (now?.bytes ?? 0))
        }
    }

    private mutating func add(_ object: PackPlan.Object, _ ids: [Digest: Int64]) throws {
        switch object {
        case .single(let blob) where !taken.contains(OffsiteLayout.blob(blob.digest)):
            guard let id = ids[blob.digest] else { return }
            try checkStop()
            guard let opened = try open(id) else { return }
            let path = "\(opened.blob.volume.path)/\(opened.blob.volume.blobPath(blob.digest))"
            let outgoing = try IdlePriority.during { () throws(OffsiteError) in
                try OutgoingObject(
                    proving: blob.digest, bytes: blob.bytes, from: opened.file.number, path: path)
            }
            try makeRoom(for: blob.bytes)
            put(
                outgoing, in: opened.blob.volume.path,
                OffsiteEvent(outgoing.name, bytes: blob.bytes, on: remote.name))
        case .single(let blob): try pack([blob], ids)
        case .pack(let blobs): try pack(blobs, ids)
        }
    }

    /// A good copy of an image; `nil` when there is none here.
    private mutating func open(
        _ id: Int64
    ) throws -> (file: SharedDescriptor, blob: VerifiedBlob)? {
        do {
            let (number, blob, _) = try images.open(id)
            return (SharedDescriptor(owning: number), blob)
        } catch let error as ArchiveError where error.code == .noGoodCopy {
            // It has been logged, and status says so.
            unreadable += 1
            return nil
        }
    }

    private mutating func pack(_ blobs: [PackPlan.Blob], _ ids: [Digest: Int64]) throws {
        let bytes = blobs.reduce(0) { $0 + $1.bytes + 1024 } + 4096
        try makeRoom(for: bytes)
        var blobs = blobs
        while !blobs.isEmpty {
            try checkStop()
            let (pack, bad) = try IdlePriority.during { try write(blobs, ids) }
            guard let pack else {
                blobs.removeAll { $0.digest == bad }
                continue
            }
            guard !taken.contains(pack.name) else {
                // In two packs they have other names.
                staging.remove(pack.name)
                guard blobs.count > 1 else { return }
                let half = blobs.count / 2
                try self.pack(Array(blobs[..<half]), ids)
                return try self.pack(Array(blobs[half...]), ids)
            }
            var event = OffsiteEvent(pack.name, bytes: pack.bytes, on: remote.name)
            event.packed = pack.places.map { .init(digest: $0.digest, offset: $0.offset) }
            return put(pack.outgoing, in: staging.path, event)
        }
    }

    /// - Returns: The pack, or the blob that cannot be in it.
    private mutating func write(
        _ blobs: [PackPlan.Blob], _ ids: [Digest: Int64]
    ) throws -> (Pack?, bad: Digest?) {
        let path = try staging.place(of: "pack.tmp")
        let output: Descriptor
        do throws(Errno) {
            output = try Descriptor(opening: path, O_WRONLY | O_CREAT | O_TRUNC, mode: 0o600)
        } catch {
            throw OffsiteError(
                .local, "A pack cannot be made", path: path, remedy: "See the log.", cause: error)
        }
        var writer = try PackWriter(
            to: output.number, path: path,
            members: blobs.map { PackWriter.Member(digest: $0.digest, bytes: $0.bytes) })
        while let member = writer.expected {
            guard let id = ids[member.digest], let opened = try open(id) else {
                return (nil, member.digest)
            }
            try writer.append(from: opened.file.number, path: "image \(member.digest.hex)")
        }
        let pack = try writer.finish()
        let place = try staging.place(of: pack.name)
        guard rename(path, place) == 0 else {
            throw OffsiteError(
                .local, "A pack cannot be named", path: place, remedy: "See the log.",
                cause: Errno.last)
        }
        return (pack, nil)
    }

    // MARK: Batches

    /// Sends the batch first when something does not fit into it.
    private mutating func makeRoom(for bytes: Int64) throws {
        // Two batches lie there at a time.
        let most = min(RemoteAccess.mostBytes, staging.room / 2)
        let isFull =
            batch.count >= RemoteAccess.mostObjects
            || batch.count > 0 && batch.bytes + bytes > most
        // While nothing is on its way, a smaller batch need not wait for more.
        let isIdle = batch.bytes >= Self.leastBytes && sending?.hasEnded ?? true
        if isFull || isIdle { try flush() }
    }

    mutating func put(_ object: OutgoingObject, in folder: String, _ event: OffsiteEvent) {
        batch.objects[folder, default: []].append(object)
        batch.events[object.name] = event
        batch.count += 1
        batch.bytes += object.bytes
    }

    /// Sends the batch, and waits until it is there and recorded.
    ///
    /// - Throws: Why it did not go, or cannot be recorded.
    mutating func complete() throws {
        try flush()
        try settle()
    }

    /// Begins to send the batch, as soon as the one before has gone.
    ///
    /// - Throws: Why that one did not go, or cannot be recorded.
    private mutating func flush() throws {
        let batch = batch
        self.batch = Batch()
        try settle()
        if batch.objects.isEmpty { return }
        try checkStop()
        let (access, hash, lock) = (access, hash, lockedUntil.map { ObjectLock(until: $0) })
        sending = try RemoteSending(
            batch.objects.sorted { $0.key < $1.key }.map { .init(folder: $0, objects: $1) },
            batch.events, clock: core.clock
        ) { (part, progress) throws(OffsiteError) in
            try access.push(part.objects, from: part.folder, hash: hash, lock: lock) { state in
                progress(state.bytes)
            }
        }
    }

    /// Waits for the batch that is on its way, and records what is there.
    ///
    /// - Throws: Why it did not go, or cannot be recorded.
    private mutating func settle() throws {
        guard let sending else { return }
        self.sending = nil
        let (before, show) = (progress, show)
        let outcome = sending.wait { bytes in
            var now = before
            now.bytes += bytes
            show(now)
        }
        speed.time += outcome.time
        for part in outcome.parts {
            note(part.report)
            try finish(part, sending.events)
        }
        if let error = outcome.error { throw error }
    }

    private mutating func note(_ report: PushReport) {
        progress.bytes += report.sentBytes
        speed.bytes += report.sentBytes
    }

    private mutating func finish(
        _ part: RemoteSending.Part, _ events: [String: OffsiteEvent]
    ) throws {
        var report = part.report
        var again: [OutgoingObject] = []
        for object in part.objects where report.problems[object.name]?.code == .modified {
            // What an interrupted push left is shorter, and is no object of anybody.
            if try access.removeRemains(of: object) { again.append(object) }
        }
        if !again.isEmpty {
            let second = try access.push(
                again, from: part.folder, hash: hash,
                lock: lockedUntil.map { ObjectLock(until: $0) })
            note(second)
            for object in again { report.problems[object.name] = second.problems[object.name] }
            report.pins.merge(second.pins) { $1 }
        }
        try record(report.pins, events)
        for object in part.objects {
            if part.folder == staging.path { staging.remove(object.name) }
            guard let problem = report.problems[object.name] else { continue }
            core.log.error("Remote \"\(remote.name)\": \(problem)")
            if problem.code == .modified { taken.insert(object.name) }
            problems.append(problem)
        }
    }

    private mutating func record(_ pins: [String: Pin], _ events: [String: OffsiteEvent]) throws {
        var records: [LedgerEvent] = []
        var blobs = 0
        func write() throws {
            try core.catalogue.record(records)
            records = []
            progress.images += Int64(blobs)
            blobs = 0
        }
        for (name, pin) in pins.sorted(by: { $0.key < $1.key }) {
            guard var event = events[name] else { continue }
            if pin.object != name { event.serverName = pin.object }
            event.hash = pin.hash?.hex
            // Only where it was seen that the server keeps to it.
            if remote.wipeTest?.shorten == WipeResult.refused.rawValue {
                event.lockedUntil = lockedUntil
            }
            if blobs + event.blobs.count > Self.recordedBlobs { try write() }
            records.append(.offsite(event))
            blobs += event.blobs.count
        }
        try write()
        show(progress)
    }
}
