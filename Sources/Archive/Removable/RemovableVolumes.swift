import Foundation
import Logging
import Storage
import System
import TagIndex

/// Volumes with the role `removable`: disks that are plugged in, get everything that they lack, and
/// are taken home. They are no members of the ``VolumeSet``: nothing counts on them, and nobody
/// waits for them.
///
///     look, every 5 s ─► is a volume of this archive at one of the paths? ─► has it everything?
///          no ─► blobs that it lacks ─► rejected files ─► the ledger ─► "complete", closed
///
/// Between two looks it is closed, so that it can be unmounted at any time. One that is pulled out
/// in the middle lacks what it lacks; the ledger comes last, and never names what is not there.
final class RemovableVolumes: Sendable {
    private struct State {
        var notes: [RemovableNote]
        /// By path.
        var shown: [String: Shown] = [:]
    }

    private struct Shown: Equatable {
        var id: String?
        var state = ArchiveStatus.Removable.State.absent
        var problem: String?
        /// The last record when it was complete.
        var record: Int64 = -1
        /// It was found to have all images up to this `instance.id`, since it was plugged in.
        var through: Int64 = 0
    }

    private static let pause: Int64 = 5_000_000_000
    private static let batch = (images: 64, bytes: Int64(64 << 20))

    private let core: ArchiveCore
    private let rejected: RejectedFiles
    private let loop: BackgroundLoop
    private let state: Lock<State>
    /// Taken by each look.
    private let looking = Turn()

    init(_ core: ArchiveCore, rejected: RejectedFiles) {
        (self.core, self.rejected) = (core, rejected)
        loop = BackgroundLoop("removable", clock: core.clock)
        state = Lock(State(notes: RemovableNote.all(of: core.path)))
    }

    /// Works in the background until ``stop()``.
    func start() throws(Errno) {
        try loop.start { [self] in
            look()
            return .after(Self.pause)
        }
    }

    func wake() { loop.wake() }

    func stop() { loop.stopAndWait() }

    // MARK: Status

    /// Those that are here, and those that were.
    func status(images: Int64) -> [ArchiveStatus.Removable] {
        let (all, shown) = state.withLock { ($0.notes, $0.shown) }
        let paths = core.settings.removable
        let notes = all.filter { paths.contains($0.path) }
        let here = Dictionary(
            shown.values.compactMap { shown in shown.id.map { ($0, shown) } }
        ) { first, _ in first }
        return notes.map { note in
            let now = here[note.id]
            return ArchiveStatus.Removable(
                id: note.id, path: note.path, state: now?.state ?? .absent, problem: now?.problem,
                complete: note.complete, missing: max(0, images - note.images))
        }
    }

    // MARK: Adding

    /// Makes a folder such a volume.
    ///
    /// - Throws: The errors of making it; nothing was changed then.
    func add(at path: String) throws {
        let known = try index { try $0.volumes() }
        let id: String
        if let volume = try? Volume.open(at: path, archive: core.id) {
            guard !known.contains(where: { $0.id == volume.identity.volume }) else {
                throw ArchiveError(
                    .configuration, "\(path) is an ordinary volume of this archive already",
                    remedy: "Name another folder.")
            }
            id = volume.identity.volume
        } else {
            // Never the number of an ordinary one.
            let ordinal = Int.random(in: 1_000_000..<2_000_000_000)
            let volume = try Volume.create(
                at: path, archive: core.id, ordinal: ordinal, domain: path)
            id = volume.identity.volume
        }
        try note(RemovableNote(id: id, path: path, complete: nil))
        wake()
    }

    private func note(_ note: RemovableNote) throws {
        let notes = state.withLock { state in
            if let index = state.notes.firstIndex(where: { $0.id == note.id }) {
                state.notes[index].path = note.path
                if note.complete != nil { state.notes[index] = note }
            } else {
                state.notes.append(note)
            }
            return state.notes
        }
        try RemovableNote.keep(notes, in: core.path)
    }

    private func index<R>(_ body: (IndexReader) throws -> R) throws -> R {
        try core.index.read(body)
    }

    // MARK: Looking

    /// Looks at all paths, and brings those volumes up to date that are there.
    func look() { looking.take { for path in core.settings.removable { look(at: path) } } }

    private func look(at path: String) {
        let before = state.withLock { $0.shown[path] ?? Shown() }
        var shown = before
        do {
            let disk = core.volumes.patience.map { DiskCalls($0, holding: path) }
            let volume = try Volume.open(at: path, archive: core.id, disk: disk)
            shown.id = volume.identity.volume
            if before.id != shown.id { shown = Shown(id: shown.id) }
            let isCurrent =
                shown.state == .complete && shown.record == core.catalogue.position.number
            if !isCurrent { try bringUpToDate(volume, at: path, &shown) }
        } catch {
            let code = (error as? StorageError)?.code
            if code == .notFound || code == .notAVolume {
                shown = Shown()
            } else {
                shown.state = .incomplete
                shown.problem = "\(error)"
                if before.problem != shown.problem {
                    core.log.warning("The removable volume \(path) is not complete: \(error)")
                }
            }
        }
        show(shown, at: path)
        if before.state != .complete, shown.state == .complete {
            core.log.notice("The removable volume \(path) is complete, and may be removed.")
        }
    }

    private func bringUpToDate(_ volume: Volume, at path: String, _ shown: inout Shown) throws {
        try volume.claim()
        defer { volume.release() }
        shown.state = .catchingUp
        show(shown, at: path)
        try catchUp(volume, at: path, &shown)
    }

    private func show(_ shown: Shown, at path: String) {
        state.withLock { $0.shown[path] = shown }
    }

    private func catchUp(_ volume: Volume, at path: String, _ shown: inout Shown) throws {
        let id = volume.identity.volume
        try note(RemovableNote(id: id, path: path, complete: nil))
        var skipped: Int64 = 0
        var position: Int64 = -1
        while core.catalogue.position.number != position {
            position = core.catalogue.position.number
            guard try copyBlobs(to: volume, &shown, skipped: &skipped) else {
                shown.state = .incomplete
                return
            }
            let problems = rejected.carry(from: core.volumes.staging, to: volume) {
                loop.isStopping
            }
            if let problem = problems.first {
                throw ArchiveError(.storage, problem, remedy: "Is the disk full?")
            }
            _ = try core.catalogue.ledger.admit(volume)
            core.catalogue.ledger.drop(volume)
            try core.catalogue.replay()
        }
        let totals = try index { try $0.totals() }
        guard skipped == 0 else {
            shown.state = .incomplete
            shown.problem =
                "\(skipped) images cannot be read on any volume now. Look at pacsfs status."
            return
        }
        let now = Timestamp(nanoseconds: core.clock.utc)
        try note(RemovableNote(id: id, path: path, complete: now, images: totals.instances))
        (shown.state, shown.problem, shown.record) = (.complete, nil, position)
    }

    /// Brings all blobs that it lacks.
    ///
    /// - Parameter skipped: Counts those without a good copy within reach.
    /// - Returns: False when it was stopped.
    private func copyBlobs(
        to volume: Volume, _ shown: inout Shown, skipped: inout Int64
    ) throws -> Bool {
        skipped = 0
        var last = shown.through
        while !loop.isStopping {
            let page = try index { reader in
                try reader.images(after: last, limit: 512)
            }
            guard let end = page.last else { return true }
            var staged: [StagedBlob] = []
            for image in page {
                guard let digest = Digest(bytes: image.sha256),
                    try volume.inodeFault(of: digest, bytes: image.bytes) != nil
                else { continue }
                let blob = StagedBlob(digest: digest, bytes: image.bytes)
                if try stage(blob, image, on: volume) { staged.append(blob) } else { skipped += 1 }
                if staged.count >= Self.batch.images
                    || staged.reduce(0, { $0 + $1.bytes }) > Self.batch.bytes
                {
                    try store(staged, on: volume)
                    staged = []
                }
            }
            try store(staged, on: volume)
            last = end.id
            if skipped == 0 { shown.through = last }
        }
        return false
    }

    private func store(_ staged: [StagedBlob], on volume: Volume) throws {
        guard !staged.isEmpty else { return }
        try volume.store(staged)
        try volume.finish(staged.map(\.digest))
    }

    /// - Returns: False when no volume has a good copy.
    private func stage(_ blob: StagedBlob, _ image: ImageCopies, on volume: Volume) throws -> Bool {
        for ordinal in image.volumes {
            guard let source = core.volumes[ordinal],
                try source.inodeFault(of: blob.digest, bytes: blob.bytes) == nil
            else { continue }
            let file = try source.openBlob(blob.digest)
            do {
                try volume.stageCopy(
                    from: file.number, as: blob.digest, bytes: blob.bytes, checking: true,
                    reading: source.calls)
                return true
            } catch {
                guard error.code == .corrupt else { throw error }
            }
        }
        return false
    }
}
