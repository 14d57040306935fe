import Foundation
import Storage
import System

extension Archive {
    /// `archive.json`: facts that must be known even while volumes are absent.
    struct Identity: Codable, Equatable {
        struct KnownVolume: Codable, Equatable {
            /// Its number in the archive, from 1.
            var ordinal: Int
            var path: String
            /// What lies on the same disk, when the volume was last there: ordinals of volumes,
            /// and 0 for the system or the archive's directory. `nil` when it was never seen.
            var neighbours: [Int]?
            /// Whether another volume was added because this one is away: its copies count no more
            /// until it is back.
            var isGivenUp: Bool?
        }

        var archive: String
        var volumes: [KnownVolume]
    }

    /// Makes an archive with its volumes.
    ///
    /// - Parameters:
    ///   - path: A directory that does not exist or is empty.
    ///   - volumes: Directories that do not exist or are empty; absolute.
    ///   - copies: The number of copies of each image, each on another volume.
    /// - Throws: ``ArchiveError`` when a directory is in use; then nothing is left there.
    public static func create(
        at path: String, volumes: [Settings.VolumePlace], copies: Int
    ) throws(ArchiveError) {
        guard volumes.count >= copies else {
            throw ArchiveError(
                .configuration,
                """
                \(copies) copies need at least \(copies) volumes, and \(volumes.count) \
                \(volumes.count == 1 ? "was" : "were") given. Name more with --volume, or lower \
                --copies.
                """
            )
        }
        let paths = volumes.map(\.path)
        try requireApart([path] + paths)
        try requireFree(path)
        try ArchiveError.from { for path in paths { try Volume.requireUnused(at: path) } }
        var settings = Settings()
        settings.copies = copies
        settings.leastCopies = 1
        settings.volumes = volumes
        let id = VolumeIdentity.randomIdentifier()
        try ArchiveError.from {
            try makeDirectory(path, mode: 0o700)
            for (index, place) in volumes.enumerated() {
                try makeDirectory(
                    URL(filePath: place.path).deletingLastPathComponent().path, mode: 0o755)
                _ = try Volume.create(
                    at: place.path, archive: id, ordinal: index + 1, domain: place.domain)
            }
            try write(
                settings,
                Identity(
                    archive: id,
                    volumes: volumes.enumerated().map { .init(ordinal: $0 + 1, path: $1.path) }),
                at: path)
        }
    }

    /// Writes the files that make a directory an archive.
    static func write(_ settings: Settings, _ identity: Identity, at path: String) throws {
        try makeDirectory(path, mode: 0o700)
        // It may have existed with another mode; the index has names of patients.
        try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: path)
        try ReplacedFile.write(
            JSONEncoder().encode(identity), to: ArchivePaths.identityName, in: path)
        // The configuration comes last: a directory that has one is a whole archive.
        try ReplacedFile.write(settings.toml.utf8, to: ArchivePaths.configurationName, in: path)
    }

    /// - Throws: ``ArchiveError`` when one of the paths is inside of another.
    static func requireApart(_ paths: [String]) throws(ArchiveError) {
        for (index, path) in paths.enumerated() {
            for other in paths[..<index] where lieInOneAnother(path, other) {
                throw ArchiveError(
                    .configuration,
                    path == other
                        ? """
                        \(path) is named twice, or is a volume already. Name another \
                        directory, best on another disk.
                        """
                        : """
                        \(path) and \(other) lie in one another. Each volume needs a directory \
                        of its own, best on its own disk.
                        """
                )
            }
        }
    }

    static func lieInOneAnother(_ one: String, _ other: String) -> Bool {
        AbsolutePath.isInside(one, other) || AbsolutePath.isInside(other, one)
    }

    /// Called before anything is made, so that a call that fails leaves nothing.
    ///
    /// - Throws: ``ArchiveError`` when the directory is not free.
    static func requireFree(_ path: String) throws(ArchiveError) {
        guard !FileManager.default.fileExists(atPath: ArchivePaths(path).configuration) else {
            throw ArchiveError(
                .configuration,
                """
                \(path) is an archive already. Mount it with: pacsfs mount MOUNTPOINT --archive \
                \(path)
                """
            )
        }
        guard isFree(path) else {
            throw ArchiveError(
                .configuration,
                """
                \(path) is not empty. An archive needs a directory of its own; nothing is \
                overwritten.
                """
            )
        }
    }

    /// Whether a directory does not exist, or holds only remains of an interrupted call.
    private static func isFree(_ path: String) -> Bool {
        guard FileManager.default.fileExists(atPath: path) else { return true }
        guard let names = try? FileManager.default.contentsOfDirectory(atPath: path) else {
            return false
        }
        let remains: Set = [
            "lost+found", "lock", ArchivePaths.identityName, ArchivePaths.identityName + ".tmp",
            RestoreNote.name + ".tmp",
        ]
        return names.allSatisfy(remains.contains)
    }

    private static func makeDirectory(_ path: String, mode: Int) throws {
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: mode])
    }

    static func identity(of path: String) throws(ArchiveError) -> Identity {
        let file = ArchivePaths(path).identity
        if RegularFile.isTaken(file) { throw ArchiveError(notAPlainFile: file) }
        do {
            let data = try RegularFile.content(of: file)
            return try JSONDecoder().decode(Identity.self, from: Data(data))
        } catch {
            throw ArchiveError(
                .configuration, "The archive's id cannot be read",
                path: ArchivePaths(path).identity,
                cause: ArchiveError.cause(of: error),
                remedy: "If the file is lost: pacsfs init NEW-DIR --from VOLUME")
        }
    }
}
