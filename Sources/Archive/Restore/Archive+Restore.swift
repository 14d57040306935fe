import Foundation
import Logging
import Offsite
import Storage
import System
import TagIndex

/// An archive that is to be brought back.
public struct RestoreRequest: Sendable {
    /// Its new directory.
    public var archive: String
    public var origin: RestoreOrigin
    /// Directories that become its volumes; absolute.
    public var volumes: [String]
    /// How many volumes keep each image.
    public var copies: Int
    /// A head of the ledger that a person has kept: an older ledger is refused.
    public var head: Verification.Head?

    public init(
        archive: String, from origin: RestoreOrigin, volumes: [String], copies: Int,
        head: Verification.Head? = nil
    ) {
        (self.archive, self.origin, self.volumes) = (archive, origin, volumes)
        (self.copies, self.head) = (copies, head)
    }
}

/// How far an archive is that is to be restored, before images come.
public enum RestorePreparation: Sendable {
    /// The ledger is being fetched: bytes that are here, and all of them as far as is known.
    case ledger(bytes: Int64, of: Int64)
    /// The index is being made.
    case index(RebuildProgress)
}

// Bringing an archive back on a machine that has nothing of it:
//
//  1. restore.json     says what is to be done
//  2. ledger           read whole from the source, every hash compared
//  3. volumes          made empty, and the ledger copied to each
//  4. pacsfs.toml      now it is an archive
//  5. index            made from the ledger
//  6. records          the new volumes are in the place of the old ones, which are lost
//  7. images           those of the newest study first; each is recorded as it comes
//
// A crash before 4 leaves nothing that anybody could have used: steps 2 and 3 begin again. After
// that, every step goes on where it was.
extension Archive {
    /// Does steps 1 to 6: the archive can be opened and shown then, and has no image yet. Called
    /// again after an interruption, it goes on.
    ///
    /// - Parameter progress: Called while the ledger comes and the index is made.
    /// - Throws: ``ArchiveError``: a directory is in use, the ledger is damaged or was changed, or
    ///   a newer pacsfs wrote a record. Nothing was made then but empty volumes.
    public static func beginRestore(
        _ request: RestoreRequest, log: Logger,
        progress: @escaping @Sendable (RestorePreparation) -> Void
    ) throws(ArchiveError) {
        let path = request.archive
        if let note = try RestoreNote.of(path) {
            guard note.volumes == request.volumes else {
                throw ArchiveError(
                    .configuration,
                    """
                    \(path) is being restored to other volumes: \
                    \(note.volumes.joined(separator: ", ")).
                    """, remedy: "Name these with --volume, in this order.")
            }
        } else {
            try requireFree(path)
        }
        try ArchiveError.from {
            let isArchive = FileManager.default.fileExists(atPath: ArchivePaths(path).configuration)
            let note =
                isArchive ? try noteAgain(request) : try makeArchive(request, progress: progress)
            guard !note.isPrepared else { return }
            if !FileManager.default.fileExists(atPath: ArchivePaths(path).index) {
                _ = try rebuild(at: path, log: log) { progress(.index($0)) }
            }
            let archive = try Archive(at: path, log: log)
            defer { archive.close() }
            try archive.replaceLostVolumes()
            try archive.nameRemote(of: request.origin)
            var prepared = try RestoreNote.of(path) ?? note
            prepared.isPrepared = true
            try prepared.write(to: path)
            try? FileManager.default.removeItem(atPath: "\(path)/\(RestoreNote.scratchName)")
        }
    }

    /// Goes on from where an earlier call was, perhaps with another source.
    private static func noteAgain(_ request: RestoreRequest) throws -> RestoreNote {
        guard var note = try RestoreNote.of(request.archive) else {
            throw ArchiveError(.configuration, "\(request.archive) is an archive already.")
        }
        try require(request.origin, of: note.archive)
        let before = note
        try note.take(request.origin, in: request.archive)
        if note != before { try note.write(to: request.archive) }
        return note
    }

    /// - Throws: ``ArchiveError`` when the origin belongs to another archive.
    private static func require(_ origin: RestoreOrigin, of archive: String) throws {
        let id = try origin.archive()
        guard id == archive else {
            throw ArchiveError(
                .configuration, "\(origin.name) belongs to archive \(id), not to \(archive).",
                remedy: "Name another source, or another directory for the archive.")
        }
    }

    /// Steps 1 to 4.
    private static func makeArchive(
        _ request: RestoreRequest, progress: @escaping @Sendable (RestorePreparation) -> Void
    ) throws -> RestoreNote {
        guard request.volumes.count >= request.copies else {
            throw ArchiveError(
                .configuration,
                """
                \(request.copies) copies need at least \(request.copies) volumes, and \
                \(request.volumes.count) \(request.volumes.count == 1 ? "was" : "were") given.
                """, remedy: "Name more with --volume, or lower --copies.")
        }
        let path = request.archive
        try requireApart(
            [path] + (request.origin.path.map { [$0] } ?? []) + request.volumes)
        let id = try request.origin.archive()
        let earlier = try RestoreNote.of(path)
        if let earlier { try require(request.origin, of: earlier.archive) }
        if earlier == nil {
            for volume in request.volumes { try Volume.requireUnused(at: volume) }
        }
        let wasThere = FileManager.default.fileExists(atPath: path)
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true,
            attributes: [.posixPermissions: 0o700])
        let lock = try ArchiveLock(archive: path)
        defer { lock.release() }
        var note = RestoreNote(
            archive: id, volumes: request.volumes, copies: request.copies)
        try note.take(request.origin, in: path)
        try note.write(to: path)
        let scratch = "\(path)/\(RestoreNote.scratchName)"
        let ledger: VerifiedLedger
        do {
            try FileManager.default.createDirectory(
                atPath: scratch, withIntermediateDirectories: true)
            ledger = try request.origin.ledger(
                of: id, noted: request.head, scratch: scratch,
                progress: { progress(.ledger(bytes: $0.bytes, of: $0.totalBytes)) })
        } catch {
            // Nothing was made, and another source can be tried.
            try? FileManager.default.removeItem(atPath: scratch)
            if earlier == nil {
                try? FileManager.default.removeItem(atPath: "\(path)/offsite")
                RestoreNote.remove(from: path)
                unlink("\(path)/lock")
            }
            if !wasThere { rmdir(path) }
            throw error
        }
        let volumes = try makeVolumes(request, archive: id, ledger)
        var settings = Settings()
        settings.copies = request.copies
        settings.leastCopies = 1
        settings.volumes = volumes.map { .init(path: $0.path, domain: $0.identity.domain) }
        if let views = ledger.summary.views { settings.views = views }
        try write(
            settings,
            Identity(
                archive: id,
                volumes: volumes.map { .init(ordinal: $0.identity.ordinal, path: $0.path) }),
            at: path)
        if let text = try? configuration(request, settings, scratch: scratch) {
            try ReplacedFile.write(text.utf8, to: ArchivePaths.configurationName, in: path)
        }
        return note
    }

    /// `pacsfs.toml` as it was, with the new volumes.
    ///
    /// - Returns: `nil` when the source has none that fits: views are shown as the ledger has them.
    private static func configuration(
        _ request: RestoreRequest, _ new: Settings, scratch: String
    ) throws -> String? {
        let store = try request.origin.store(scratch: scratch)
        let newest = try store.names(below: OffsiteLayout.configuration).max()
        let problems = try store.fetch(newest.map { [$0] } ?? [], shouldStop: { false })
        var name = problems.isEmpty ? newest : nil
        if name.map({ !isRight($0, in: store) }) ?? true {
            name = try store.fetchFirstVersions(below: OffsiteLayout.configuration)
                .filter { isRight($0, in: store) }.max()
        }
        guard let name else { return nil }
        // Nobody who can write to a remote must be able to have a command run here.
        var file = ConfigurationFile(
            ConfigurationFile(
                String(decoding: try RegularFile.content(of: store.path(of: name)), as: UTF8.self)
            ).withoutCommands)
        let old = try Settings(toml: file.text)
        guard old.views == new.views else { return nil }
        for volume in old.volumes { try file.removeVolume(at: volume.path) }
        for volume in new.volumes { try file.addVolume(volume) }
        let text = file.text.replacing(
            /(?m)^copies = .*$/, with: "copies = \(new.copies)")
        let trial = scratch + "/pacsfs.toml"
        try Data(text.utf8).write(to: URL(filePath: trial))
        let settings = try Settings(file: trial)
        return settings.volumes == new.volumes && settings.views == new.views ? text : nil
    }

    /// Whether a configuration is the one that its name says.
    private static func isRight(_ name: String, in store: any ObjectStore) -> Bool {
        guard let content = try? RegularFile.content(of: store.path(of: name)) else { return false }
        return name.contains(Digest.of(content).hex)
    }

    /// Step 3. The ordinals of all volumes that the archive ever had stay theirs.
    private static func makeVolumes(
        _ request: RestoreRequest, archive id: String, _ ledger: VerifiedLedger
    ) throws -> [Volume] {
        let summary = ledger.summary
        let last = max(
            summary.volumes.map(\.ordinal).max() ?? 0, summary.departed.keys.max() ?? 0)
        var volumes: [Volume] = []
        for (index, path) in request.volumes.enumerated() {
            let volume: Volume
            if let left = try? Volume.open(at: path, archive: id) {
                // Of an interrupted call: a volume of the archive itself is never written over.
                guard left.identity.ordinal == last + 1 + index,
                    !summary.volumes.contains(where: { $0.id == left.identity.volume })
                else {
                    throw ArchiveError(
                        .configuration,
                        """
                        \(path) is volume \(left.identity.ordinal) of this archive, and no empty \
                        directory.
                        """,
                        remedy:
                            """
                            If it survived: pacsfs init --from \(path). Otherwise name another \
                            directory.
                            """)
                }
                volume = left
            } else {
                try FileManager.default.createDirectory(
                    atPath: URL(filePath: path).deletingLastPathComponent().path,
                    withIntermediateDirectories: true)
                volume = try Volume.create(
                    at: path, archive: id, ordinal: last + 1 + index, domain: path)
            }
            try volume.claim()
            defer { volume.release() }
            try ledger.copy(to: volume)
            volumes.append(volume)
        }
        return volumes
    }

    /// Step 6: the volumes that the archive had are lost; those that are here have their places.
    private func replaceLostVolumes() throws {
        let here = volumes.members.map(\.ordinal).filter { $0 > 0 }
        guard !here.isEmpty else { return }
        let lost = try index.read { try $0.volumes() }.filter { record in
            record.state != .retired && !here.contains(record.ordinal)
        }
        try catalogue.record(
            lost.enumerated().map { .replace($1.ordinal, by: here[$0 % here.count]) })
        try core.adoptVolumeRecords()
    }

    /// A remote that was typed without the sheet has no name: it is the one that the ledger has.
    private func nameRemote(of origin: RestoreOrigin) throws {
        guard case .remote(let secrets) = origin, var note = try RestoreNote.of(path) else {
            return
        }
        let known = try index.read { try $0.remotes() }
        guard !known.contains(where: { $0.name == secrets.name }), known.count == 1,
            (known[0].cipher == nil) == (secrets.keys == nil)
        else { return }
        let named = RemoteSecrets(
            name: known[0].name, id: known[0].uuid, location: secrets.location, keys: secrets.keys)
        try note.take(.remote(named), in: path)
        try note.write(to: path)
        RemoteSecrets.remove(secrets.name, in: path)
    }

    /// Step 7, until everything is there or `shouldStop` says so.
    ///
    /// - Parameters:
    ///   - shouldStop: Asked every second; what is left is for the next call.
    ///   - progress: Called after each batch, on the calling thread.
    /// - Throws: ``ArchiveError`` when the source cannot be used, or the volumes are full.
    public func restore(
        shouldStop: @escaping () -> Bool = { false }, progress: (RestoreProgress) -> Void
    ) throws(ArchiveError) -> RestoreReport {
        try ArchiveError.from {
            var report = try maintenance.restores.run(shouldStop: shouldStop, progress: progress)
            // Copies of images that a volume could not take, and of rejected files.
            if report.isComplete { _ = try makeMissingCopies() }
            report.copiesProblem = copiesProblem
            return report
        }
    }
}
