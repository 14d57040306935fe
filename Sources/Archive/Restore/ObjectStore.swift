import Foundation
import Offsite
import Storage
import System

/// Objects as they lie off-site (``OffsiteLayout``), or on a volume. One thread uses it.
protocol ObjectStore: Sendable {
    /// Makes objects files of this machine.
    ///
    /// - Parameter shouldStop: Asked every second.
    /// - Returns: Why an object is not to be had, by its name.
    /// - Throws: Why none is to be had now.
    func fetch(_ objects: [String], shouldStop: @escaping () -> Bool) throws -> [String: any Error]

    /// Makes older versions of objects files of this machine, in the place of what was fetched.
    ///
    /// - Parameter number: Which version, the oldest being 0.
    /// - Returns: The objects of which there is one.
    /// - Throws: Why none is to be had now.
    func fetch(
        version number: Int, of objects: [String], shouldStop: @escaping () -> Bool
    ) throws -> Set<String>

    /// Makes files of this machine of what is below a small folder, as it was at first where
    /// somebody has changed or deleted it.
    ///
    /// - Returns: The names.
    func fetchFirstVersions(below folder: String) throws -> [String]

    /// Where an object that was fetched is.
    func path(of object: String) -> String

    /// Lets go of an object that was fetched.
    func discard(_ object: String)

    /// The beginning of an object.
    func beginning(of object: String, bytes: Int64) throws -> [UInt8]

    /// The names of objects below a folder.
    func names(below folder: String) throws -> [String]
}

/// A volume, or a folder that was fetched by hand. Nothing is changed there.
struct FolderStore: ObjectStore {
    let path: String

    init(_ path: String) { self.path = path }

    func fetch(_ objects: [String], shouldStop: @escaping () -> Bool) -> [String: any Error] {
        var problems: [String: any Error] = [:]
        for object in objects where access(path(of: object), F_OK) != 0 {
            problems[object] = ArchiveError(.notFound, "\(path(of: object)) is not there.")
        }
        return problems
    }

    /// A folder has none.
    func fetch(
        version number: Int, of objects: [String], shouldStop: @escaping () -> Bool
    ) -> Set<String> { [] }

    func fetchFirstVersions(below folder: String) -> [String] { [] }

    func path(of object: String) -> String { "\(path)/\(object)" }

    func discard(_ object: String) {}

    func beginning(of object: String, bytes: Int64) throws -> [UInt8] {
        let file = try RegularFile.open(at: AT_FDCWD, path(of: object), O_RDONLY)
        return try FileIO.bytes(file.number, at: 0, count: Int(bytes))
    }

    func names(below folder: String) -> [String] {
        guard let found = FileManager.default.enumerator(atPath: "\(path)/\(folder)") else {
            return []
        }
        return found.compactMap { ($0 as? String).map { "\(folder)/\($0)" } }.sorted()
    }

    /// The id of the archive that a folder belongs to: by the identity file of a volume, or the
    /// marker of an off-site copy.
    ///
    /// - Throws: ``ArchiveError`` when it has neither.
    static func archive(of path: String) throws -> String {
        struct Marker: Decodable {
            var archive: String
        }
        let folder = try InspectedVolume(at: path)
        if let identity = try? folder.identity.get() { return identity.archive }
        let marker = "\(path)/\(OffsiteLayout.marker)"
        if access(marker, F_OK) == 0 {
            let content = Data(try RegularFile.content(of: marker))
            guard let found = try? JSONDecoder().decode(Marker.self, from: content) else {
                throw ArchiveError(
                    .configuration, "This is not the marker of an off-site copy", path: marker,
                    remedy: "Fetch it again.")
            }
            return found.archive
        }
        // What is wrong with the identity file of a volume says more than that there is no marker.
        if folder.hasLayout { _ = try folder.identity.get() }
        throw ArchiveError(
            .configuration,
            """
            \(path) is neither a volume nor a folder that was fetched from an off-site copy: it \
            has neither pacsfs-volume.json nor \(OffsiteLayout.marker).
            """, remedy: "Is its disk mounted? Name the folder that has blobs and ledger in it.")
    }
}

/// A remote. What is fetched lies in a folder until it is discarded.
struct RemoteStore: ObjectStore {
    private let remote: RemoteAccess
    private let scratch: String
    private let known = Versions()

    /// Listed once, when the first object is missing.
    private final class Versions: Sendable {
        let list = Lock<RemoteVersions?>(nil)
    }

    /// Pauses after failures that may go away, in seconds: a network that is gone for a minute
    /// must not end a restore of hours.
    private static let pauses: [UInt32] = [1, 2, 4, 8, 16, 32]

    init(_ remote: RemoteAccess, scratch: String) {
        (self.remote, self.scratch) = (remote, scratch + "/fetched")
    }

    func fetch(
        _ objects: [String], shouldStop: @escaping () -> Bool
    ) throws -> [String: any Error] {
        try FileManager.default.createDirectory(
            atPath: scratch, withIntermediateDirectories: true)
        var problems: [String: any Error] = [:]
        for start in stride(from: 0, to: objects.count, by: RemoteAccess.mostObjects) {
            let some = Array(objects[start..<min(start + RemoteAccess.mostObjects, objects.count)])
            let failed = try again(unless: shouldStop) { () throws(OffsiteError) in
                try remote.another().bring(some, to: scratch) { !shouldStop() }
            }
            for (object, error) in failed { problems[object] = error }
        }
        return problems
    }

    func fetch(
        version number: Int, of objects: [String], shouldStop: @escaping () -> Bool
    ) throws -> Set<String> {
        guard let versions = try versions(unless: shouldStop) else { return [] }
        return try again(unless: shouldStop) { () throws(OffsiteError) in
            try remote.another().bring(
                version: number, of: objects, in: versions, to: scratch,
                isWanted: { !shouldStop() })
        }
    }

    func fetchFirstVersions(below folder: String) throws -> [String] {
        guard let versions = try versions(unless: { false }) else { return [] }
        // Of an encrypted one, what was overwritten is no object any more.
        try? remote.another().bring(folder: folder, to: scratch)
        _ = try remote.another().bringFirstVersions(below: folder, in: versions, to: scratch)
        return FolderStore(scratch).names(below: folder)
    }

    /// `nil` when the server keeps none, or does not list them.
    private func versions(unless shouldStop: () -> Bool) throws -> RemoteVersions? {
        guard remote.mayHaveVersions else { return nil }
        if let list = known.list.withLock({ $0 }) { return list }
        let list = try again(unless: shouldStop) { () throws(OffsiteError) in
            do throws(OffsiteError) { return try remote.another().versions() } catch {
                // A server without versions may refuse to list them.
                if error.code.isWorthRetrying, error.code != .other { throw error }
                return RemoteVersions.none
            }
        }
        known.list.withLock { $0 = list }
        return list
    }

    private func again<R>(
        unless shouldStop: () -> Bool, _ body: () throws(OffsiteError) -> R
    ) throws(OffsiteError) -> R {
        for pause in Self.pauses {
            do throws(OffsiteError) { return try body() } catch {
                if error.code == .noSpace {
                    var full = error
                    full.code = .noLocalSpace
                    full.remedy = "Make room there, or on the other volumes."
                    full.path = scratch
                    throw full
                }
                guard error.code.isWorthRetrying else { throw error }
                for _ in 0..<pause where !shouldStop() { sleep(1) }
                if shouldStop() { throw error }
            }
        }
        return try body()
    }

    func path(of object: String) -> String { "\(scratch)/\(object)" }

    func discard(_ object: String) { unlink(path(of: object)) }

    func beginning(of object: String, bytes: Int64) throws -> [UInt8] {
        var content: [UInt8] = []
        try remote.another().fetch(object, range: 0..<bytes) { content.append(contentsOf: $0) }
        return content
    }

    func names(below folder: String) throws -> [String] {
        try remote.another().names(below: folder)
    }
}
