import Logging
import Storage
import System
import TagIndex

/// The progress of the resilver.
public struct ResilverProgress: Codable, Sendable {
    /// Copies made since it began.
    public var copies: Int64 = 0
    /// Bytes of them.
    public var bytes: Int64 = 0
    /// Images that still lack copies, for want of a volume or a good copy.
    public var skipped: Int64 = 0
    public var isRunning = false
}

/// Makes missing copies, whatever the reason: a volume was away, a copy was bad, a volume is new,
/// retires or was replaced. It needs no list of its own: the index knows which images lack copies,
/// and every copy is recorded as it is made. So it can be interrupted at any time, and copies only
/// what is missing.
final class Resilver: Sendable {
    private struct State {
        var progress = ResilverProgress()
        /// Whether a volume cannot leave yet, because of files in incoming or rejected ones.
        var isWaiting = false
    }

    private let core: ArchiveCore
    private let images: ImageReader
    private let administration: VolumeAdministration
    private let rejected: RejectedFiles
    private let loop: BackgroundLoop
    private let state = Lock(State())
    /// Taken by each run.
    private let running = Turn()
    /// How many images, and how many bytes at most, are made durable together.
    private static let batch = (images: 64, bytes: Int64(64 << 20))

    private var volumes: VolumeSet { core.volumes }
    private var isStopped: Bool { loop.isStopping }

    /// - Parameter loop: The thread; woken whenever there may be work.
    init(
        _ core: ArchiveCore, images: ImageReader, administration: VolumeAdministration,
        rejected: RejectedFiles, loop: BackgroundLoop
    ) {
        (self.core, self.images, self.administration) = (core, images, administration)
        (self.rejected, self.loop) = (rejected, loop)
    }

    var progress: ResilverProgress { state.withLock { $0.progress } }

    /// Works in the background, whenever the loop is woken, until ``stop()``.
    func start() throws(Errno) {
        try loop.start { [self] in
            do { try run() } catch {
                core.log.error("Missing copies could not be made: \(error)")
            }
            // Now and then also unasked: there may be space again. In ns.
            return .after(state.withLock { $0.isWaiting } ? 5_000_000_000 : 600_000_000_000)
        }
    }

    func stop() { loop.stopAndWait() }

    /// Makes all missing copies that can be made now.
    ///
    /// - Throws: ``ArchiveError`` when the ledger cannot be written.
    func run() throws { try running.take { try runNow() } }

    private func runNow() throws {
        state.withLock { $0.progress = ResilverProgress(isRunning: true) }
        defer { state.withLock { $0.progress.isRunning = false } }
        state.withLock { $0.isWaiting = false }
        try gather()
        try copyUnderReplicated()
        try copyToOtherDisks()
        for ordinal in volumes.retiring.sorted() {
            do { try empty(ordinal) } catch is RetirementWaits {
                state.withLock { $0.isWaiting = true }
            }
        }
        let done = progress
        if done.copies > 0 {
            core.log.notice("Resilvered \(done.copies) copies, \(done.bytes) bytes.")
        }
    }

    /// Files that wait in incoming go where incoming is now before anything else: somebody may be
    /// about to rename them. Then rejected files get the copies that they lack, also where
    /// `/rejected` is now.
    private func gather() throws {
        core.observers.movedStaging()
        let staging = volumes.staging
        for member in volumes.members where !member.isReadOnly {
            guard let volume = member.volume, volume !== staging else { continue }
            let problems = administration.takeOverIncoming(of: volume) { isStopped }
            // A retiring volume reports by itself what is in its way. What a program is writing on
            // another is taken over when that has ended.
            guard !problems.isEmpty, member.state != .retiring, !isStopped else { continue }
            state.withLock { $0.isWaiting = true }
            core.log.notice("Not yet in incoming as it is now: \(problems[0])")
        }
        for problem in try rejected.makeMissingCopies(shouldStop: { isStopped }) {
            core.log.error("\(problem)")
        }
    }

    /// Images with too few copies.
    private func copyUnderReplicated() throws {
        var last: (copies: Int, id: Int64) = (-1, 0)
        while !isStopped {
            let short = try core.index.read {
                try $0.underReplicated(
                    below: core.settings.copies, after: last, limit: Self.batch.images)
            }
            guard let end = short.last else { return }
            let before = progress.copies
            try copy(short.map(\.id))
            last = end
            // When nothing could be done for a page for want of volumes, nothing can be done for
            // other images with as many copies.
            let takers = volumes.writable.count - volumes.retiring.count
            if progress.copies == before, takers < core.settings.copies { last.id = .max }
        }
    }

    /// Images with enough copies, but on too few disks: volumes share one, or one is away and
    /// another was added because of that.
    private func copyToOtherDisks() throws {
        let reach = ResilverReach(volumes.members)
        guard reach.leavesOut, reach.disks > 1 else { return }
        var last: Int64 = 0
        while !isStopped {
            let page = try core.index.read {
                try $0.images(
                    onFewerDisksThan: min(core.settings.copies, reach.disks), reach.groups,
                    after: last, limit: Self.batch.images)
            }
            guard let end = page.last else { return }
            let before = progress.copies
            try copy(page)
            // No room on the other disks.
            guard progress.copies > before else { return }
            last = end
        }
    }

    /// Copies the images on a retiring volume, and takes it out of the archive.
    private func empty(_ ordinal: Int) throws {
        let before = progress.skipped
        var last: Int64 = 0
        repeat {
            while !isStopped {
                let held = try core.index.read {
                    try $0.instances(on: ordinal, after: last, limit: Self.batch.images)
                }
                guard let end = held.last else { break }
                try copy(held, emptying: true)
                last = end
            }
            guard !isStopped, progress.skipped == before else { return }
        } while try !administration.finishRetiring(ordinal, copiedTo: last, unless: { isStopped })
    }

    /// Makes the missing copies of some images, and records them.
    ///
    /// - Parameter emptying: Whether a volume that has copies of them is to leave: the others are
    ///   relied on only when they have been seen to be good.
    private func copy(_ ids: [Int64], emptying: Bool = false) throws {
        var round = CopyRound()
        for id in ids {
            if isStopped { break }
            if emptying { try healLasting(id) }
            try stage(id, &round)
            if round.bytes >= Self.batch.bytes {
                try commit(round)
                round = CopyRound()
            }
        }
        try commit(round)
    }

    private func stage(_ id: Int64, _ round: inout CopyRound) throws {
        guard let image = try core.index.read({ try $0.copies(of: id) }),
            let digest = Digest(bytes: image.sha256)
        else { return }
        let lasting = Set(image.volumes).subtracting(volumes.retiring)
        let chosen = targets(for: image, holding: lasting)
        guard chosen?.isEmpty == false || lasting.count < core.settings.copies else { return }
        guard let chosen, !chosen.isEmpty,
            let source = source(of: image, digest, lasting: lasting)
        else {
            return state.withLock { $0.progress.skipped += 1 }
        }
        // One more copy is better than none, but fewer than wanted.
        if lasting.count + chosen.count < core.settings.copies {
            state.withLock { $0.progress.skipped += 1 }
        }
        let blob = StagedBlob(digest: digest, bytes: image.bytes)
        do throws(StorageError) {
            try stage(blob, from: source, on: chosen)
            for volume in chosen { round.add(blob, on: volume) }
        } catch {
            state.withLock { $0.progress.skipped += 1 }
            core.log.error("\(digest.hex) could not be copied: \(error)")
            volumes.check()
            if error.code == .corrupt {
                images.heal(image, bad: [BadCopy(volume: source, problem: .altered)])
            }
        }
    }

    /// The volumes for the copies that an image lacks; `nil` when it lacks none.
    private func targets(for image: ImageCopies, holding lasting: Set<Int>) -> [Volume]? {
        let wanted = core.settings.copies
        let reach = ResilverReach(volumes.members)
        let held = Set(lasting.compactMap { reach.groups[$0] })
        let missing = max(wanted - lasting.count, min(wanted, reach.disks) - held.count)
        guard missing > 0 else { return nil }
        let chosen =
            (try? volumes.choose(
                copies: lasting.count + missing, minimum: lasting.count, bytes: image.bytes,
                holding: lasting, allowingFull: true)) ?? []
        // One more copy on the same disk helps nobody.
        guard lasting.count >= wanted else { return chosen }
        return chosen.filter { volume in
            reach.groups[volume.identity.ordinal].map { !held.contains($0) } ?? false
        }
    }

    private func stage(_ blob: StagedBlob, from source: Volume, on targets: [Volume])
        throws(StorageError)
    {
        let file = try source.openBlob(blob.digest)
        for volume in targets {
            try volume.stageCopy(
                from: file.number, as: blob.digest, bytes: blob.bytes, checking: true,
                reading: source.calls)
        }
    }

    /// Looks at the copies that stay when a volume leaves, and heals those that are bad while that
    /// volume has a good one.
    private func healLasting(_ id: Int64) throws {
        guard let image = try core.index.read({ try $0.copies(of: id) }),
            let digest = Digest(bytes: image.sha256)
        else { return }
        let lasting = Set(image.volumes).subtracting(volumes.retiring).sorted()
        // One that is read to make another copy is hashed on the way.
        let isCopied = lasting.count < core.settings.copies
        let bad = lasting.dropFirst(isCopied ? 1 : 0).compactMap { ordinal -> BadCopy? in
            guard let volume = volumes[ordinal] else { return nil }
            return images.problem(of: image, digest, on: volume).map {
                BadCopy(volume: volume, problem: $0)
            }
        }
        if !bad.isEmpty { images.heal(image, bad: bad) }
    }

    /// A volume with a copy, best one that stays; its content is hashed on the way.
    private func source(of image: ImageCopies, _ digest: Digest, lasting: Set<Int>) -> Volume? {
        let order =
            image.volumes.filter(lasting.contains)
            + image.volumes.filter { !lasting.contains($0) }
        for ordinal in order {
            guard let volume = volumes[ordinal] else { continue }
            do throws(StorageError) {
                guard let fault = try volume.inodeFault(of: digest, bytes: image.bytes) else {
                    return volume
                }
                images.heal(image, bad: [BadCopy(volume: volume, problem: CopyProblem(fault))])
            } catch {
                volumes.suspect(volume, error)
            }
        }
        return nil
    }

    private func commit(_ round: CopyRound) throws {
        try round.commit(in: core) { _, blobs in
            let bytes = blobs.reduce(0) { $0 + $1.bytes }
            state.withLock {
                $0.progress.copies += Int64(blobs.count)
                $0.progress.bytes += bytes
            }
        } failed: { _, blobs in
            state.withLock { $0.progress.skipped += Int64(blobs.count) }
        }
    }
}
