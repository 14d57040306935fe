import Foundation
import Logging
import Storage
import TagIndex

/// When and why the index was last made anew: kept beside it as `index.rebuilt`.
public struct IndexRebuilt: Codable, Sendable, Equatable {
    /// ns since 1970.
    public var time: Int64
    /// For a person: what was wrong with the one before.
    public var reason: String
}

/// Opens `index.sqlite`, and makes it anew from the ledger when it is missing or damaged. The
/// damaged one is kept as `index.sqlite.corrupt-<time>`.
///
/// ```
/// index.sqlite            what is used
/// index.sqlite.new        being made; worth nothing until it has the other name
/// index.sqlite.damaged    says that a look-up found damage: the next start makes it anew
/// index.rebuilt           when and why that was done last
/// ```
struct IndexOpening {
    let archive: String
    let ledger: Ledger
    let volumes: VolumeSet
    let log: Logger
    var progress: @Sendable (RebuildProgress) -> Void = { _ in }

    private var path: String { archive + "/" + Archive.indexName }
    private static let noteName = "index.rebuilt"

    /// Up to this size an index is checked as a whole after a run that did not end well: in a
    /// fraction of a second. A larger one would make the start longer the more it holds; its
    /// damage shows when it is met.
    private static let checkedSize: Int64 = 32 << 20

    /// - throws: what a rebuild throws
    func open() throws -> TagIndex {
        if let reason = TagIndex.damage(of: path) { return try rebuild(because: reason) }
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

    /// Makes the index anew, and takes it into use.
    ///
    /// - parameter index: is closed
    /// - throws: `StorageError` when no volume has a ledger that fits together, `ArchiveError`
    ///   when the archive's directory cannot be written; the old index is in its place then
    func rebuild(because reason: String, replacing index: TagIndex? = nil) throws -> TagIndex {
        index?.close()
        log.error("The index \(path) is made anew from the ledger. \(reason)")
        let records = try make().number
        let kept = try Self.takeIntoUse(path, because: reason, archive: archive)
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
                // Whole, but it tells what cannot be.
                let refusal = ArchiveError(
                    .index,
                    "The ledger of volume \(volume.identity.ordinal) has records that contradict each other: \(error). Find the first one that does not fit: pacsfs verify"
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
    /// - returns: what the index that was there is called now
    static func takeIntoUse(_ path: String, because reason: String, archive: String) throws
        -> String?
    {
        let aside = path + ".corrupt-" + String(Timestamp.now().description.prefix(19))
        let hadOne = size(path) != nil
        for suffix in ["", "-wal", "-shm"] where size(path + suffix) != nil {
            try move(path + suffix, to: aside + suffix)
        }
        try move(path + ".new", to: path)
        // Not worth failing for: it only tells.
        let note = try? JSONEncoder().encode(
            IndexRebuilt(time: Timestamp.now().nanoseconds, reason: reason))
        try? note?.write(to: URL(filePath: archive + "/" + noteName), options: .atomic)
        TagIndex.forgetDamage(of: path)
        return hadOne ? aside : nil
    }

    private static func move(_ from: String, to: String) throws {
        guard rename(from, to) == 0 else {
            throw ArchiveError(
                .index,
                "\(from) cannot be renamed to \(to): \(String(cString: strerror(errno))). Is the archive's directory writable?"
            )
        }
    }

    /// In bytes; `nil` when there is no such file.
    private static func size(_ path: String) -> Int64? {
        var status = stat()
        return lstat(path, &status) == 0 ? Int64(status.st_size) : nil
    }

    static func note(of archive: String) -> IndexRebuilt? {
        (try? Data(contentsOf: URL(filePath: archive + "/" + noteName))).flatMap {
            try? JSONDecoder().decode(IndexRebuilt.self, from: $0)
        }
    }
}
