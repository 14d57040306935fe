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
///         yes ─► a second of reading and hashing, if that is due ─► bad copies are made anew
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

    /// Where such a volume is, or was last.
    struct Place: Hashable {
        var id: String
        var path: String
        var ordinal: Int
        /// How many records its ledger had when it was complete.
        var records: Int64
        /// Since when it is one; `nil` when nobody noted that.
        var added: Timestamp?
        /// Whether it is here, and complete.
        var isHere: Bool
    }

    private static let pause: Int64 = 5_000_000_000
    /// How long it is read at a look, ns: it can be unmounted in between.
    private static let slice: Int64 = 1_000_000_000
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
                complete: note.complete, missing: max(0, images - note.images),
                read: note.read, bad: note.bad ?? 0)
        }
    }

    /// Those that are known, here or not.
    var places: [Place] {
        let (notes, shown) = state.withLock { ($0.notes, $0.shown) }
        let paths = core.settings.removable
        return notes.filter { paths.contains($0.path) && $0.complete != nil }.compactMap { note in
            note.ordinal.map { ordinal in
                let isHere = shown.values.contains { $0.id == note.id && $0.state == .complete }
                return Place(
                    id: note.id, path: note.path, ordinal: ordinal, records: note.records ?? 0,
                    added: note.added, isHere: isHere)
            }
        }
    }

    /// Whether it is here at this moment.
    func isHere(_ place: Place) -> Bool {
        (try? Volume.open(at: place.path, archive: core.id))?.identity.volume == place.id
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
            let ordinal = Int.random(in: DrillSource.firstRemovable..<2_000_000_000)
            let volume = try Volume.create(
                at: path, archive: core.id, ordinal: ordinal, domain: path)
            id = volume.identity.volume
        }
        try note(id, at: path) { _ in }
        wake()
    }

    /// Gives up all disks of a path.
    ///
    /// - Returns: Whether there were any.
    /// - Throws: The errors of writing that down; nothing was changed then.
    func remove(at path: String) throws -> Bool {
        try looking.take {
            let (before, notes) = state.withLock { state in
                (state.notes, state.notes.filter { $0.path != path })
            }
            guard before != notes || core.settings.removable.contains(path) else { return false }
            try RemovableNote.keep(notes, in: core.path)
            state.withLock { state in
                state.notes = notes
                state.shown[path] = nil
            }
            return true
        }
    }

    /// Changes what is known of a disk, durably.
    private func note(
        _ id: String, at path: String, _ change: (inout RemovableNote) -> Void
    ) throws {
        let notes = state.withLock { state in
            let known = state.notes.firstIndex { $0.id == id }
            let index = known ?? state.notes.count
            if known == nil {
                let now = Timestamp(nanoseconds: core.clock.utc)
                state.notes.append(RemovableNote(id: id, path: path, complete: nil, added: now))
            }
            state.notes[index].path = path
            change(&state.notes[index])
            return state.notes
        }
        try RemovableNote.keep(notes, in: core.path)
    }

    private func known(_ id: String) -> RemovableNote? {
        state.withLock { $0.notes.first { $0.id == id } }
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
            if !isCurrent {
                try bringUpToDate(volume, at: path, &shown)
                show(shown, at: path)
            }
            if shown.state == .complete { try readSome(volume, at: path, &shown) }
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
        // Said before the disk is asked for anything: it may hang.
        shown.state = .catchingUp
        show(shown, at: path)
        try volume.claim()
        defer { volume.release() }
        try catchUp(volume, at: path, &shown)
    }

    private func show(_ shown: Shown, at path: String) {
        state.withLock { $0.shown[path] = shown }
    }

    private func catchUp(_ volume: Volume, at path: String, _ shown: inout Shown) throws {
        let id = volume.identity.volume
        let ordinal = volume.identity.ordinal
        try note(id, at: path) { $0.ordinal = ordinal }
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
        try note(id, at: path) { note in
            (note.complete, note.images, note.records) = (now, totals.instances, position)
        }
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

    // MARK: Reading

    /// Reads a part of what is on it, and hashes it: what a disk loses in a drawer is found. Each
    /// image is read once in the days that a scrub takes.
    private func readSome(_ volume: Volume, at path: String, _ shown: inout Shown) throws {
        let days = core.settings.scrubDays
        let now = Timestamp(nanoseconds: core.clock.utc)
        guard days > 0, var note = known(volume.identity.volume) else { return }
        if note.readThrough == nil {
            let age = note.read.map { Double(now.nanoseconds - $0.nanoseconds) }
            if let age, age < days * 86_400e9 { return }
            (note.readThrough, note.readBegan) = (0, now)
        }
        var last = note.readThrough ?? 0
        var bad: [(StagedBlob, ImageCopies)] = []
        let end = core.clock.now + Self.slice
        var isDone = false
        while core.clock.now < end, !loop.isStopping, !isDone {
            let page = try index { try $0.images(after: last, limit: 16) }
            isDone = page.isEmpty
            for image in page where core.clock.now < end && !loop.isStopping {
                last = image.id
                guard let digest = Digest(bytes: image.sha256) else { continue }
                let blob = StagedBlob(digest: digest, bytes: image.bytes)
                do throws(StorageError) {
                    if try volume.verifyBlob(digest, bytes: image.bytes) { continue }
                } catch {
                    guard error.code == .notFound || error.code == .io else { throw error }
                }
                bad.append((blob, image))
            }
        }
        try mend(bad, on: volume, at: path, &shown)
        let (count, through) = (Int64(bad.count), last)
        try self.note(volume.identity.volume, at: path) { known in
            known.bad = (known.bad ?? 0) + count
            (known.readBegan, known.readThrough) = (note.readBegan, through)
            if isDone {
                (known.read, known.readThrough, known.readBegan) = (note.readBegan, nil, nil)
            }
        }
    }

    /// Makes bad copies anew; the bad bytes are kept in `rejected/bad-blobs` of the disk.
    private func mend(
        _ bad: [(StagedBlob, ImageCopies)], on volume: Volume, at path: String,
        _ shown: inout Shown
    ) throws {
        guard !bad.isEmpty else { return }
        core.log.warning(
            "\(bad.count) copies on the removable volume \(path) were bad, and are made anew.")
        shown.state = .catchingUp
        show(shown, at: path)
        try volume.claim()
        defer { volume.release() }
        for (blob, image) in bad {
            guard try stage(blob, image, on: volume) else {
                // The next look says which images nobody can read.
                (shown.record, shown.through) = (-1, 0)
                continue
            }
            if try volume.inodeFault(of: blob.digest, bytes: blob.bytes) != .missing {
                try volume.setAside(blob.digest, at: Timestamp(nanoseconds: core.clock.utc))
            }
            try store([blob], on: volume)
        }
        shown.state = .complete
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
