import Glibc
import Naming
import Storage
import System
import TagIndex

/// A file that is to be rejected.
public struct RejectRequest: Sendable {
    public var file: IngestFile
    /// Where it comes from, which also says where it goes below `/rejected/<date>`, unless another
    /// file has that name.
    public var source: IngestSource
    /// For a person: what is wrong with it and what to do.
    public var reason: String
    /// Whose it is and who may read it, when that is not as with `file`.
    public var access: FileAccess?

    public init(
        file: IngestFile, source: IngestSource, reason: String, access: FileAccess? = nil
    ) {
        self.file = file
        self.source = source
        self.reason = reason
        self.access = access
    }
}

/// The files below `/rejected`, on all volumes.
final class RejectedFiles: Sendable {
    let core: ArchiveCore
    /// The volumes when every file had all its copies on them; `nil` when some lacked one.
    let copied = Lock<Set<Holder>?>(nil)
    /// Taken while the files change: two of one name must not both find it free, and a folder
    /// must not be removed while a file is put into it.
    let changing = Turn()

    init(_ core: ArchiveCore) { self.core = core }

    /// Rejects a file: see ``Archive/reject(_:)``.
    func reject(_ request: RejectRequest) throws {
        let (digest, bytes) = try digest(of: request)
        try changing.take { try reject(request, digest, bytes: bytes) }
    }

    /// - Returns: The digest by which a file that is to be rejected is known, and its size.
    /// - Throws: ``ArchiveError`` when it cannot be read.
    private func digest(of request: RejectRequest) throws -> (Digest, bytes: Int64) {
        let facts: FileFacts
        let source = "\(request.source)"
        do throws(Errno) {
            facts = try FileFacts(of: request.file.descriptor)
        } catch {
            throw ArchiveError(
                .storage, "A file that is to be rejected cannot be read", path: source,
                cause: error)
        }
        let digest = try request.file.reading { [bytes = facts.bytes] file throws(StorageError) in
            try Digest.ofRejected(descriptor: file, bytes: bytes, path: source)
        }
        return (digest, facts.bytes)
    }

    /// Whether the file was rejected before, and is still there: since then somebody may have
    /// removed it by hand, or moved it back into incoming.
    private func isRejected(_ digest: Digest, from source: String, bytes: Int64) throws -> Bool {
        let known = try core.index.read {
            try $0.rejected(sha256: digest.bytes, source: source)
        }
        return known.map { core.volumes.staging.rejected.holds($0, bytes: bytes) } ?? false
    }

    /// The path of a file below `rejected/<date>`.
    private static func path(for source: IngestSource) -> String {
        let path = parts(of: source.rejectedPath).joined(separator: "/")
        return path.isEmpty ? "_" : path
    }

    /// The volumes that get a file: first the one where `/rejected` shows it, and then as many as
    /// for an image.
    private func targets(for file: IngestFile, bytes: Int64, path: String) throws -> [Volume] {
        let (volumes, settings) = (core.volumes, core.settings)
        let staging = volumes.staging
        let targets =
            try [staging]
            + volumes.choose(
                copies: settings.copies, minimum: settings.minimumCopies,
                bytes: FileIO.dataBytes(of: file.descriptor, bytes: bytes, path: path),
                holding: [staging.identity.ordinal], allowingFull: true)
        if targets.count < settings.copies { noteMissingCopies() }
        return targets
    }

    private func reject(_ request: RejectRequest, _ digest: Digest, bytes: Int64) throws {
        let source = "\(request.source)"
        if try isRejected(digest, from: source, bytes: bytes) { return }
        let path = Self.path(for: request.source)
        var place = ""
        for volume in try targets(for: request.file, bytes: bytes, path: source).reversed() {
            place = try volume.rejected.reject(
                copyOf: request.file.descriptor, bytes: bytes, digest: digest, path: path,
                reason: request.reason + "\n", access: request.access,
                at: Timestamp(nanoseconds: core.clock.utc), reading: request.file.disk)
        }
        try core.catalogue.record([
            RejectRecord(
                sha256: digest.bytes, bytes: bytes,
                path: String(place.trimmingPrefix("rejected/")), source: source,
                reason: request.reason, time: 0)
        ])
        core.log.notice("Set aside \(request.source): \(request.reason)")
    }

    /// The names that lead to a rejected file. Of a path that is nested too deep to be moved back
    /// into `/incoming`, those in the middle are left out.
    private static func parts(of path: String) -> [String] {
        // The folder of the day comes on top, and may be moved as a whole.
        let most = Recovery.deepest - 1
        var parts = path.unicodeScalars.split(separator: "/")
        if parts.count > most { parts.removeSubrange(most - 1..<parts.count - 1) }
        return parts.map { PortableName.component(String($0)) }
    }

    // MARK: Many at once

    /// A file of several that are rejected together.
    struct Staged {
        fileprivate var record: RejectRecord
        /// Below `rejected/<date>`.
        fileprivate var path: String
        /// The volume where `/rejected` shows it comes first.
        fileprivate var copies: [(volume: Volume, file: StagedRejection)]
        fileprivate var source: IngestSource

        var bytes: Int64 { record.bytes }
    }

    /// Copies a file to its volumes, for ``reject(_:)-staged``; it is not needed any more then.
    ///
    /// - Returns: `nil` when it was rejected before.
    /// - Throws: ``ArchiveError``; nothing is left of it then.
    func stage(_ request: RejectRequest) throws -> Staged? {
        let source = "\(request.source)"
        let (digest, bytes) = try digest(of: request)
        if try isRejected(digest, from: source, bytes: bytes) { return nil }
        var staged = Staged(
            record: RejectRecord(
                sha256: digest.bytes, bytes: bytes, path: "", source: source,
                reason: request.reason, time: 0),
            path: Self.path(for: request.source), copies: [], source: request.source)
        do {
            for volume in try targets(for: request.file, bytes: bytes, path: source) {
                let file = try volume.rejected.stage(
                    copyOf: request.file.descriptor, bytes: bytes, digest: digest,
                    reason: request.reason + "\n", access: request.access,
                    reading: request.file.disk)
                staged.copies.append((volume, file))
            }
            return staged
        } catch {
            discard([staged])
            throw error
        }
    }

    /// Rejects files that were staged: makes all of them durable at once, where one by one takes as
    /// many times as long.
    ///
    /// - Throws: ``ArchiveError`` when a disk fails, or the ledger cannot be written. Those that
    ///   have no name yet are gone then.
    func reject(_ staged: [Staged]) throws {
        var sources: Set<String> = []
        // The same file twice, as a zip archive may hold it, is rejected once.
        let isRepeated = staged.map { file in
            !sources.insert("\(file.record.sha256) \(file.record.source)").inserted
        }
        discard(zip(staged, isRepeated).filter(\.1).map(\.0))
        var staged = zip(staged, isRepeated).filter { !$0.1 }.map(\.0)
        var volumes: [Volume] = []
        for (volume, _) in staged.flatMap(\.copies)
        where !volumes.contains(where: { $0 === volume }) {
            volumes.append(volume)
        }
        do {
            for volume in volumes { try volume.rejected.sync() }
            let time = Timestamp(nanoseconds: core.clock.utc)
            try changing.take {
                for index in staged.indices {
                    while let (volume, file) = staged[index].copies.last {
                        let place = try volume.rejected.place(file, at: staged[index].path, time)
                        staged[index].record.path = String(place.trimmingPrefix("rejected/"))
                        staged[index].copies.removeLast()
                    }
                }
            }
            for volume in volumes { try volume.rejected.sync() }
        } catch {
            discard(staged)
            throw error
        }
        try core.catalogue.record(staged.map(\.record))
        for file in staged {
            core.log.notice("Set aside \(file.source): \(file.record.reason)")
        }
    }

    /// Removes what was staged.
    func discard(_ staged: [Staged]) {
        for (volume, file) in staged.flatMap(\.copies) { volume.rejected.discard(file) }
    }

    // MARK: After a file was moved back into incoming

    /// Removes the copies of a file on other volumes: see ``Archive/forgetRejected(_:on:)``.
    func forget(_ path: [UInt8], on staging: StagingArea) {
        changing.take {
            for volume in core.volumes.writable where volume !== staging.volume {
                guard (try? isArchived(path, on: volume)) == true else { continue }
                try? volume.onDisk { () throws(StorageError) in
                    try? PathDescent.remove(path, below: volume.rejected.descriptor)
                    Self.removeReason(of: path, in: volume.rejected.descriptor)
                }
            }
        }
    }

    /// Removes reasons without a file: see ``Archive/removeObsoleteReasons(_:on:)``.
    func removeReasons(of paths: [[UInt8]], on staging: StagingArea) {
        changing.take {
            try? staging.volume.onDisk { () throws(StorageError) in
                for path in paths where Self.isGone(path, in: staging.rejectedDescriptor) {
                    Self.removeReason(of: path, in: staging.rejectedDescriptor)
                }
            }
        }
    }

    /// Whether there is certainly no such file.
    private static func isGone(_ path: [UInt8], in directory: Int32) -> Bool {
        do throws(Errno) {
            return try FileFacts.of(path, in: directory) == nil
        } catch {
            return false
        }
    }

    private func isArchived(_ path: [UInt8], on volume: Volume) throws -> Bool {
        let found = try volume.onDisk { () throws(StorageError) -> Digest? in
            guard
                let file = try? SharedDescriptor(
                    at: volume.rejected.descriptor, path, flags: O_RDONLY),
                let bytes = try? file.facts().bytes
            else { return nil }
            let shown = String(decoding: path, as: UTF8.self)
            // No image is.
            if try Digest.isTooSparse(descriptor: file.number, bytes: bytes, path: shown) {
                return nil
            }
            return try Digest.of(descriptor: file.number, bytes: bytes, path: shown)
        }
        guard let digest = found else { return false }
        return try core.index.read { try $0.instance(sha256: digest.bytes) != nil }
    }

    private static func removeReason(of path: [UInt8], in directory: Int32) {
        try? PathDescent.remove(RejectedFolder.reason(of: path), below: directory)
        var folder = path
        while let slash = folder.lastIndex(of: UInt8(ascii: "/")) {
            folder.removeSubrange(slash...)
            // Fails for a folder that is not empty, as it should.
            do { try PathDescent.remove(folder, below: directory, AT_REMOVEDIR) } catch { return }
        }
    }

    // MARK: When `/rejected` is on another volume

    /// Copies the rejected files that another volume lacks, with their reasons. A file that has
    /// been archived since is left out.
    ///
    /// - Parameter isStopping: Asked before each file.
    /// - Returns: A sentence for each file that could not be copied.
    func carry(
        from source: Volume, to target: Volume, unless isStopping: () -> Bool = { false }
    ) -> [String] {
        guard target !== source else { return [] }
        let paths: [[UInt8]]
        do {
            // Files that are rejected from now on go to the other volume.
            paths = try changing.take {
                try source.onDisk { () throws(StorageError) in
                    Result { try Self.files(of: source.rejected.descriptor) }
                }.get()
            }
        } catch {
            return ["The rejected files on \(source.path) cannot be listed: \(error)"]
        }
        let all = Set(paths)
        return paths.compactMap { path in
            // A reason goes with its file.
            if RejectedFolder.isReason(path),
                all.contains(path.dropLast(RejectedFolder.reason(of: []).count))
            {
                return nil
            }
            let shown = String(decoding: path, as: UTF8.self)
            if isStopping() {
                return "pacsfs was stopped before rejected/\(shown) was copied to \(target.path)"
            }
            do {
                try changing.take {
                    if try !isArchived(path, on: source) {
                        try target.rejected.copy(shown, from: source.rejected)
                    }
                }
                return nil
            } catch {
                return "rejected/\(shown) cannot be copied to \(target.path): \(error)"
            }
        }
    }

    /// The files below `rejected` that its users see.
    private static func files(of directory: Int32) throws -> [[UInt8]] {
        var result: [[UInt8]] = []
        let hidden = [Array("bad-blobs".utf8), Array("torn-ledger".utf8)]
        try FolderWalk.walk(
            below: directory,
            visit: { entry in
                if entry.prefix.isEmpty, hidden.contains(entry.name) { return false }
                if entry.isFile { result.append(entry.path) }
                return true
            })
        return result
    }
}
