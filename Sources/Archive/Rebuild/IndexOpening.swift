import Foundation
import Logging
import Storage
import System
import TagIndex

/// When and why the index was last made anew: kept beside it as `index.rebuilt`.
public struct IndexRebuilt: Codable, Sendable, Equatable {
    public var time: Timestamp
    /// For a person: the fault of the index before.
    public var reason: String
}

/// Opens `index.sqlite`, and makes it anew from the ledger when it is missing or damaged. A
/// damaged index is kept as `index.sqlite.corrupt-<time>`.
///
/// ```
/// index.sqlite            the index
/// index.sqlite.new        an index that is being made; not used until it is renamed
/// index.sqlite.damaged    a look-up found damage: the next start makes the index anew
/// index.rebuilt           when and why that was last done
/// ```
struct IndexOpening {
    let archive: String
    let ledger: Ledger
    let volumes: VolumeSet
    let log: Logger
    var progress: @Sendable (RebuildProgress) -> Void = { _ in }

    private var path: String { ArchivePaths(archive).index }
    private static let noteName = "index.rebuilt"
    /// The endings of the names that SQLite opens.
    private static let files = ["", "-wal", "-shm", "-journal"]

    /// Up to this size, in bytes, an index is checked as a whole after an unclean end, which takes
    /// a fraction of a second. Damage of a larger index shows when a look-up meets it: to check it
    /// would make the start longer the more it holds.
    private static let checkedSize: Int64 = 32 << 20

    /// - Throws: As ``rebuild(because:replacing:)``.
    func open() throws -> TagIndex {
        if let reason = TagIndex.damage(of: path) { return try rebuild(because: reason) }
        // SQLite would wait for the other end of a FIFO.
        if let other = Self.files.map({ path + $0 }).first(where: RegularFile.isTaken) {
            return try rebuild(because: "\(other) was not a plain file.")
        }
        let wasUnclean = Self.size(path + "-wal") ?? 0 > 0
        guard let size = Self.size(path) else {
            return ledger.position.number == 0
                ? try TagIndex(path: path) : try rebuild(because: "It was missing.")
        }
        let index: TagIndex
        do {
            index = try TagIndex(path: path)
        } catch let error as IndexError where error.code == .corrupt {
            return try rebuild(because: error.message)
        }
        do {
            if wasUnclean, size <= Self.checkedSize { try index.check() }
            guard ledger.position.number > 0, try index.read({ try $0.position() }) == nil else {
                return index
            }
        } catch {
            return try rebuild(because: "\(error)", replacing: index)
        }
        return try rebuild(because: "It was empty.", replacing: index)
    }

    /// Makes the index anew, and puts it in the place of the old one.
    ///
    /// - Parameter index: The old one, which is closed.
    /// - Throws: `StorageError` when no volume has a usable ledger; ``ArchiveError`` when the
    ///   archive's directory cannot be written, or for a record that this program does not
    ///   understand. The old index stays in its place then.
    func rebuild(because reason: String, replacing index: TagIndex? = nil) throws -> TagIndex {
        index?.close()
        log.error("The index \(path) is made anew from the ledger. \(reason)")
        let records = try make().number
        let kept = try Self.install(path, because: reason, archive: archive)
        let note = kept.map { " The one that was there is kept as \($0)." } ?? ""
        log.error("The index was made anew from \(records) records of the ledger.\(note)")
        return try TagIndex(path: path)
    }

    private func make() throws -> LedgerPosition {
        var failure: (any Error)?
        for volume in ledger.volumes.compactMap({ volumes[$0] }) {
            do {
                return try IndexRebuild(
                    volume: volume, site: ledger.site, path: path + ".new", progress: progress
                ).run()
            } catch let error as StorageError {
                log.error(
                    "The ledger of volume \(volume.identity.ordinal) cannot be used: \(error)")
                failure = failure ?? error
            } catch  where IndexError.isDamage(error) {
                // The chain is whole, but the events contradict each other.
                let refusal = ArchiveError(
                    .index,
                    """
                    The ledger of volume \(volume.identity.ordinal) has records that contradict \
                    each other: \(error). Find the first one that does not fit: pacsfs verify
                    """
                )
                log.error("\(refusal)")
                failure = failure ?? refusal
            }
        }
        throw failure
            ?? ArchiveError(
                .storage,
                "No volume has a ledger that can be read, so the index cannot be made anew.")
    }

    /// Gives `index.sqlite.new` its name.
    ///
    /// - Returns: The new name of the index that was there; `nil` when there was none.
    /// - Throws: ``ArchiveError`` when the archive's directory cannot be written.
    static func install(_ path: String, because reason: String, archive: String) throws
        -> String?
    {
        let aside = path + ".corrupt-" + String(Timestamp.now().description.prefix(19))
        let hadOne = size(path) != nil
        for suffix in files where size(path + suffix) != nil {
            try move(path + suffix, to: aside + suffix)
        }
        try move(path + ".new", to: path)
        // Only for people: a failure does not matter.
        let note = try? JSONEncoder().encode(
            IndexRebuilt(time: .now(), reason: reason))
        try? note?.write(to: URL(filePath: archive + "/" + noteName), options: .atomic)
        TagIndex.forgetDamage(of: path)
        return hadOne ? aside : nil
    }

    private static func move(_ from: String, to: String) throws {
        guard rename(from, to) == 0 else {
            throw ArchiveError(
                .index,
                """
                \(from) cannot be renamed to \(to): \(Errno.last). Is the \
                archive's directory writable?
                """
            )
        }
    }

    /// The size in bytes; `nil` when there is no such file.
    private static func size(_ path: String) -> Int64? {
        var status = stat()
        return lstat(path, &status) == 0 ? Int64(status.st_size) : nil
    }

    static func note(of archive: String) -> IndexRebuilt? {
        (try? RegularFile.content(of: archive + "/" + noteName)).flatMap {
            try? JSONDecoder().decode(IndexRebuilt.self, from: Data($0))
        }
    }
}
