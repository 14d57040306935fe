import Foundation
import Offsite
import Storage
import System
import TagIndex

/// Images and rejected files of a volume or of an off-site copy, packed or not. One thread uses it,
/// but for ``open(_:)``.
///
/// ```
/// SCRATCH/fetched/…      objects as they came
/// SCRATCH/blobs/<hex>    blobs that were unpacked
/// SCRATCH/rejected/…     rejected files, as a volume has them
/// ```
final class ObjectSource: RestoreSource {
    let name: String
    private let store: any ObjectStore
    private let index: TagIndex
    /// The remote whose objects these are; `nil` when it may be any that the ledger has.
    private let remote: String?
    private let isFolder: Bool
    let scratch: String

    private struct State {
        /// Files to read blobs from.
        var files: [Digest: String] = [:]
        /// Why a blob is not to be had.
        var problems: [Digest: any Error] = [:]
        /// Blobs that were unpacked for this batch, or the one before, and not asked for.
        var spare: [Digest: Int] = [:]
        var batch = 0
        /// The blobs of packs that the ledger does not know yet: it is brought away in pieces, and
        /// the last records about packs come after these.
        var unlisted: [Digest: String]?
    }

    private let state = Lock(State())

    init(
        _ store: any ObjectStore, name: String, _ index: TagIndex, onRemote remote: String?,
        scratch: String
    ) {
        (self.store, self.name, self.index) = (store, name, index)
        (self.remote, self.scratch) = (remote, scratch)
        isFolder = store is FolderStore
    }

    // MARK: Images

    func fetch(_ blobs: [StagedBlob], shouldStop: @escaping () -> Bool) throws {
        forget(keeping: Set(blobs.map(\.digest)))
        let lacking = blobs.filter { blob in state.withLock { $0.files[blob.digest] == nil } }
        var wanted: [Digest: [String]] = [:]
        for blob in lacking { wanted[blob.digest] = try objects(of: blob.digest) }
        // Each object that is known first; then what nothing is known of.
        try fetch(wanted.compactMapValues(\.first), shouldStop)
        let left = wanted.filter { entry in state.withLock { $0.files[entry.key] == nil } }
        if left.isEmpty { return }
        let unlisted = try unlistedPacks()
        var second: [Digest: String] = [:]
        for (digest, known) in left {
            second[digest] = unlisted[digest] ?? known.dropFirst().first
        }
        try fetch(second, shouldStop)
    }

    /// The objects that may have a blob, the likeliest first.
    private func objects(of digest: Digest) throws -> [String] {
        let single = OffsiteLayout.blob(digest)
        let known = try index.read { try $0.offsitePlaces(sha256: digest.bytes) }
            .filter { remote == nil || $0.remote == remote }.map(\.object)
        // On a volume, and where packs were unpacked by hand, each is a file of its own.
        if isFolder { return [single] + known.filter { $0 != single } }
        return known.isEmpty ? [single] : known
    }

    func fetch(
        version number: Int, of blobs: [StagedBlob], shouldStop: @escaping () -> Bool
    ) throws -> Bool {
        if isFolder || blobs.isEmpty { return false }
        var wanted: [Int: [Digest: String]] = [:]
        for blob in blobs {
            // What a check has found to be missing or changed is what is looked for here.
            let known = try index.read { reader in
                try reader.offsitePlaces(sha256: blob.digest.bytes, areFaulty: true)
                    + reader.offsitePlaces(sha256: blob.digest.bytes)
            }.filter { remote == nil || $0.remote == remote }.map(\.object)
            let names = known.isEmpty ? [OffsiteLayout.blob(blob.digest)] : known
            // It may have been brought there a second time, under another name.
            wanted[number / names.count, default: [:]][blob.digest] = names[number % names.count]
        }
        var isAny = false
        for (version, objects) in wanted {
            let found = try store.fetch(
                version: version, of: Set(objects.values).sorted(), shouldStop: shouldStop)
            let some = objects.filter { found.contains($0.value) }
            for digest in some.keys { state.withLock { $0.files[digest] = nil } }
            take(some, [:])
            isAny = isAny || !some.isEmpty
        }
        return isAny
    }

    private func fetch(_ objects: [Digest: String], _ shouldStop: @escaping () -> Bool) throws {
        if objects.isEmpty { return }
        take(objects, try store.fetch(Set(objects.values).sorted(), shouldStop: shouldStop))
    }

    /// Takes note of where blobs are after their objects were fetched.
    ///
    /// - Parameter problems: Why an object did not come.
    private func take(_ objects: [Digest: String], _ problems: [String: any Error]) {
        let names = Set(objects.values).sorted()
        var damaged: [String: any Error] = [:]
        for object in names where problems[object] == nil && object.hasPrefix("packs/") {
            damaged[object] = unpack(object)
        }
        for (digest, object) in objects {
            state.withLock { state in
                if let problem = problems[object] {
                    state.problems[digest] = problem
                } else if !object.hasPrefix("packs/") {
                    state.files[digest] = store.path(of: object)
                } else if state.files[digest] == nil {
                    state.problems[digest] =
                        damaged[object]
                        ?? ArchiveError(.notFound, "The pack \(object) does not have it.")
                }
            }
        }
    }

    /// Takes the blobs out of a pack; those before a place where it is damaged are good.
    ///
    /// - Returns: Why it could not be read to its end.
    private func unpack(_ object: String) -> (any Error)? {
        defer { store.discard(object) }
        do {
            try FileManager.default.createDirectory(
                atPath: scratch + "/blobs", withIntermediateDirectories: true)
            let file = try RegularFile.open(at: AT_FDCWD, store.path(of: object), O_RDONLY)
            var reader = PackReader(name: object, from: file.number)
            while case .blob(let place) = try reader.next() {
                let path = "\(scratch)/blobs/\(place.digest.hex)"
                try Self.write(&reader, to: path)
                state.withLock { state in
                    state.files[place.digest] = path
                    state.spare[place.digest] = state.batch
                }
            }
            return nil
        } catch {
            return error
        }
    }

    private static func write(_ reader: inout PackReader, to path: String) throws {
        let target = try Descriptor(opening: path, O_WRONLY | O_CREAT | O_TRUNC, mode: 0o600)
        let number = target.number
        var offset: Int64 = 0
        try reader.read { (piece) throws(OffsiteError) in
            do throws(Errno) { try FileIO.write(number, piece, at: offset) } catch {
                throw OffsiteError(
                    .noLocalSpace, "A blob cannot be unpacked", path: path,
                    remedy: "Make room there.", cause: error)
            }
            offset += Int64(piece.count)
        }
    }

    /// The blobs of the packs that the index does not know, or knows to be bad.
    private func unlistedPacks() throws -> [Digest: String] {
        if let known = state.withLock({ $0.unlisted }) { return known }
        var found: [Digest: String] = [:]
        for object in try store.names(below: "packs") where object.hasSuffix(".tar") {
            let isKnown = try index.read { reader in
                try reader.remotes().contains { row in
                    guard remote == nil || row.name == remote else { return false }
                    return try reader.object(object, onRemote: row.id).map { $0.fault == nil }
                        ?? false
                }
            }
            if isKnown, !isFolder { continue }
            // One that is damaged is passed over: its blobs may be in another.
            guard let head = try? store.beginning(of: object, bytes: 512),
                let length = try? PackListing.length(head, of: object),
                let beginning = try? store.beginning(of: object, bytes: length),
                let digests = try? PackListing.digests(beginning, of: object)
            else { continue }
            for digest in digests { found[digest] = object }
        }
        state.withLock { $0.unlisted = found }
        return found
    }

    func open(_ blob: StagedBlob) throws -> Descriptor {
        let (path, problem) = state.withLock { ($0.files[blob.digest], $0.problems[blob.digest]) }
        guard let path else {
            throw problem ?? ArchiveError(.notFound, "\(name) does not have it.")
        }
        return try RegularFile.open(at: AT_FDCWD, path, O_RDONLY)
    }

    /// Lets go of what was fetched, but for blobs that are wanted now, and those of packs that were
    /// unpacked just now: the next batch is of the same series.
    private func forget(keeping wanted: Set<Digest>) {
        let gone = state.withLock { state -> [String] in
            let batch = state.batch
            let old = state.files.keys.filter { digest in
                !wanted.contains(digest) && (state.spare[digest].map { $0 < batch } ?? true)
            }
            state.batch += 1
            state.problems = [:]
            return old.compactMap { digest in
                state.spare[digest] = nil
                return state.files.removeValue(forKey: digest)
            }
        }
        for path in gone where path.hasPrefix(scratch + "/") { unlink(path) }
    }

    func discard() { try? FileManager.default.removeItem(atPath: scratch) }

    // MARK: Rejected files

    /// Whether a rejected file that was fetched has the bytes that it should have.
    private func isRight(_ place: RejectedPlace) -> Bool {
        let path = store.path(of: place.object)
        guard let file = try? RegularFile.open(at: AT_FDCWD, path, O_RDONLY),
            let bytes = try? FileFacts(of: file.number).bytes
        else { return false }
        return (try? Digest.ofRejected(descriptor: file.number, bytes: bytes, path: path))
            == place.digest
    }

    func rejectedFiles(_ wanted: [RejectedPlace]) throws -> RejectedFolder? {
        if isFolder, let folder = try InspectedVolume(at: store.path(of: "")).rejectedFiles(),
            access(store.path(of: OffsiteLayout.marker), F_OK) != 0
        {
            return folder
        }
        var problems = try store.fetch(
            Set(wanted.map(\.object)).sorted(), shouldStop: { false })
        for number in 0..<RemoteVersions.most {
            let bad = wanted.filter { problems[$0.object] != nil || !isRight($0) }.map(\.object)
            let found = try store.fetch(
                version: number, of: Set(bad).sorted(), shouldStop: { false })
            if found.isEmpty { break }
            for object in found { problems[object] = nil }
        }
        for place in wanted where problems[place.object] == nil && place.isBelow {
            let path = "\(scratch)/rejected/\(place.path)"
            try FileManager.default.createDirectory(
                at: URL(filePath: path).deletingLastPathComponent(),
                withIntermediateDirectories: true)
            try? FileManager.default.removeItem(atPath: path)
            try FileManager.default.copyItem(atPath: store.path(of: place.object), toPath: path)
            try Data("\(place.reason)\n".utf8).write(to: URL(filePath: path + ".reason.txt"))
        }
        for place in wanted { store.discard(place.object) }
        try FileManager.default.createDirectory(
            atPath: scratch + "/rejected", withIntermediateDirectories: true)
        return try InspectedVolume(at: scratch).rejectedFiles()
    }
}
