import Foundation
import Logging
import Storage
import System
import TagIndex

/// What the resilver is at, and what is left for it.
public struct ResilverProgress: Codable, Sendable {
    /// Copies made since it began.
    public var copies: Int64 = 0
    /// Bytes of them.
    public var bytes: Int64 = 0
    /// Images that have fewer copies than they should still, for want of a volume or a good copy.
    public var skipped: Int64 = 0
    public var isRunning = false

    enum CodingKeys: String, CodingKey {
        case copies, bytes, skipped
        case isRunning = "is_running"
    }
}

/// Makes the copies that are missing, whatever the reason: a volume was away, a copy was bad, a
/// volume is new, retires or was replaced. It needs no list of its own: what lacks copies is
/// what the index says, and every copy is recorded as it is made. So it can be interrupted at
/// any time, and copies only what is missing.
final class Resilver: Sendable {
    private struct State {
        var isWanted = true
        var isStopped = false
        var progress = ResilverProgress()
        /// Whether a volume is kept by what waits or was set aside on it.
        var isWaiting = false
        /// The volume of `/incoming` at the last run.
        var staging: Int?
    }

    private let state = Lock(State())
    private let signal = DispatchSemaphore(value: 0)
    /// Only one at a time.
    private let running = NSLock()
    /// How many images are made durable together, and how many bytes at most.
    private static let batch = (images: 64, bytes: Int64(64 << 20))

    var progress: ResilverProgress { state.withLock { $0.progress } }

    /// Something has changed: there may be work.
    func wake() {
        state.withLock { $0.isWanted = true }
        signal.signal()
    }

    func stop() {
        state.withLock { $0.isStopped = true }
        signal.signal()
    }

    private var isStopped: Bool { state.withLock { $0.isStopped } }

    /// Works whenever it is woken, until ``stop()``; on a thread of its own.
    func serve(_ archive: Archive) {
        while !isStopped {
            if state.withLock({ state in
                defer { state.isWanted = false }
                return state.isWanted
            }) {
                do { try run(archive) } catch {
                    archive.log.error("Copies that are missing could not be made: \(error)")
                }
            }
            // Once in a while also unasked: room may have appeared.
            _ = signal.wait(timeout: .now() + (state.withLock { $0.isWaiting } ? 5 : 600))
            if !isStopped { state.withLock { $0.isWanted = true } }
        }
    }

    /// Makes all copies that are missing and can be made now.
    ///
    /// - throws: ``ArchiveError`` when the ledger cannot be written
    func run(_ archive: Archive) throws {
        running.lock()
        defer { running.unlock() }
        state.withLock { $0.progress = ResilverProgress(isRunning: true) }
        defer { state.withLock { $0.progress.isRunning = false } }
        gather(archive)
        try copyShort(archive)
        state.withLock { $0.isWaiting = false }
        for ordinal in archive.volumes.retiring.sorted() {
            do { try empty(ordinal, archive) } catch is RetirementWaits {
                state.withLock { $0.isWaiting = true }
            }
        }
        let done = progress
        if done.copies > 0 {
            archive.log.notice("Resilvered \(done.copies) copies, \(done.bytes) bytes.")
        }
    }

    /// What waits in incoming goes where that is now before anything else: somebody may be about
    /// to rename it. When `/rejected` is on another volume than it was, it shows there what the
    /// other volumes have.
    private func gather(_ archive: Archive) {
        archive.observers.movedStaging()
        let staging = archive.volumes.staging
        let hasMoved = state.withLock { state in
            defer { state.staging = staging.identity.ordinal }
            return state.staging.map { $0 != staging.identity.ordinal } ?? false
        }
        for member in archive.volumes.members {
            guard let volume = member.volume, volume !== staging else { continue }
            var problems: [String] = []
            if member.state == .retiring { problems += archive.takeOverIncoming(of: volume) }
            if hasMoved, !isStopped { problems += archive.carryRejected(from: volume, to: staging) }
            // A volume that retires says by itself what is in its way.
            if member.state != .retiring {
                for problem in problems { archive.log.error("\(problem)") }
            }
        }
    }

    /// Images with too few copies.
    private func copyShort(_ archive: Archive) throws {
        var last: (copies: Int, id: Int64) = (-1, 0)
        while !isStopped {
            let short = try archive.index.read {
                try $0.underReplicated(
                    below: archive.settings.copies, after: last, limit: Self.batch.images)
            }
            guard let end = short.last else { return }
            let before = progress.copies
            try copy(short.map(\.id), archive)
            last = end
            // When nothing could be done for a page for want of volumes, nothing can be for others
            // with as many copies.
            let takers = archive.volumes.writable.count - archive.volumes.retiring.count
            if progress.copies == before, takers < archive.settings.copies { last.id = .max }
        }
    }

    /// Copies what is on a volume that is to be emptied, and takes it out of the archive.
    private func empty(_ ordinal: Int, _ archive: Archive) throws {
        let before = progress.skipped
        var last: Int64 = 0
        repeat {
            while !isStopped {
                let images = try archive.index.read {
                    try $0.instances(on: ordinal, after: last, limit: Self.batch.images)
                }
                guard let end = images.last else { break }
                try copy(images, archive)
                last = end
            }
            guard !isStopped, progress.skipped == before else { return }
        } while try !archive.finishRetiring(ordinal, copiedTo: last)
    }

    /// Copies that are staged, and wait to be made durable together.
    private struct Round {
        var targets: [(volume: Volume, blobs: [StagedBlob])] = []
        var bytes: Int64 = 0

        mutating func add(_ blob: StagedBlob, on volume: Volume) {
            let index = targets.firstIndex { $0.volume === volume } ?? targets.count
            if index == targets.count { targets.append((volume, [])) }
            targets[index].blobs.append(blob)
            bytes += blob.bytes
        }
    }

    /// Makes the missing copies of some images, and records them.
    private func copy(_ ids: [Int64], _ archive: Archive) throws {
        var round = Round()
        for id in ids {
            if isStopped { break }
            try stage(id, archive, &round)
            if round.bytes >= Self.batch.bytes {
                try commit(round.targets, archive)
                round = Round()
            }
        }
        try commit(round.targets, archive)
    }

    private func stage(_ id: Int64, _ archive: Archive, _ round: inout Round) throws {
        guard let image = try archive.index.read({ try $0.copies(of: id) }),
            let digest = Digest(bytes: image.sha256)
        else { return }
        let lasting = Set(image.volumes).subtracting(archive.volumes.retiring)
        guard lasting.count < archive.settings.copies else { return }
        let chosen =
            (try? archive.volumes.choose(
                copies: archive.settings.copies, minimum: lasting.count, bytes: image.bytes,
                holding: lasting)) ?? []
        guard !chosen.isEmpty, let source = source(of: image, digest, archive) else {
            return state.withLock { $0.progress.skipped += 1 }
        }
        // One copy more is better than none, but not what was asked for.
        if lasting.count + chosen.count < archive.settings.copies {
            state.withLock { $0.progress.skipped += 1 }
        }
        let blob = StagedBlob(digest: digest, bytes: image.bytes)
        do throws(StorageError) {
            try stage(blob, from: source, on: chosen)
            for volume in chosen { round.add(blob, on: volume) }
        } catch {
            state.withLock { $0.progress.skipped += 1 }
            archive.log.error("\(digest.hex) could not be copied: \(error)")
            archive.volumes.check()
            if error.code == .corrupt {
                archive.heal(image, bad: [BadCopy(volume: source, problem: .altered)])
            }
        }
    }

    private func stage(_ blob: StagedBlob, from source: Volume, on targets: [Volume])
        throws(StorageError)
    {
        let file = try source.openBlob(blob.digest)
        for volume in targets {
            try volume.stageCopy(
                from: file.number, as: blob.digest, bytes: blob.bytes, checking: true)
        }
    }

    /// A copy to take; its content is hashed on the way.
    private func source(of image: ImageCopies, _ digest: Digest, _ archive: Archive) -> Volume? {
        for ordinal in image.volumes {
            guard let volume = archive.volumes[ordinal] else { continue }
            do throws(StorageError) {
                if try volume.blobState(digest, bytes: image.bytes) == .present { return volume }
                archive.heal(image, bad: [BadCopy(volume: volume, problem: .missing)])
            } catch {
                archive.volumes.suspect(volume, error)
            }
        }
        return nil
    }

    private func commit(_ targets: [(volume: Volume, blobs: [StagedBlob])], _ archive: Archive)
        throws
    {
        for (volume, blobs) in targets {
            do throws(StorageError) {
                try volume.store(blobs)
            } catch {
                archive.volumes.suspect(volume, error)
                archive.log.error("Copies could not be stored on \(volume.path): \(error)")
                state.withLock { $0.progress.skipped += Int64(blobs.count) }
                continue
            }
            try archive.catalogue.record([.copies(blobs.map(\.digest), on: volume.identity.ordinal)]
            )
            try? volume.finish(blobs.map(\.digest))
            let bytes = blobs.reduce(0) { $0 + $1.bytes }
            state.withLock {
                $0.progress.copies += Int64(blobs.count)
                $0.progress.bytes += bytes
            }
        }
    }
}
