import Foundation
import Storage
import TagIndex

extension RecoverySheet {
    /// The sheet of an archive. No process needs to have it open.
    ///
    /// - Parameters:
    ///   - archive: The archive's directory.
    ///   - names: Of remotes; all that have keys here if none is named.
    ///   - mountpoint: Where it is mounted, or is to be.
    /// - Throws: ``ArchiveError`` when it has no remote, or not one that is named.
    public init(
        of archive: String, remotes names: [String] = [], mountpoint: String,
        at date: Timestamp = .now()
    ) throws(ArchiveError) {
        let settings = try Settings(file: ArchivePaths(archive).configuration)
        let id = try Archive.identity(of: archive).archive
        let all = names.isEmpty ? Self.names(in: archive) : names
        var remotes: [RemoteSecrets] = []
        for name in all { remotes.append(try RemoteSecrets(name, of: archive)) }
        guard !remotes.isEmpty else {
            throw ArchiveError(
                .notFound, "The archive has no remote.",
                remedy: "Add one: pacsfs offsite add NAME REMOTE")
        }
        let position = try? TagIndex(readingFrom: ArchivePaths(archive).index)
            .read { try $0.position() }
        self.init(
            Facts(
                archive: archive, id: id, volumes: settings.volumes.map(\.path),
                copies: settings.copies, mountpoint: mountpoint,
                head: position.map { "\($0.head):\($0.number)" }, date: date),
            remotes)
    }

    /// Notes in the archive that the sheet was printed or saved: before that nothing goes to an
    /// encrypted remote.
    ///
    /// - Throws: ``ArchiveError`` when that cannot be written.
    public func noteSaved(in archive: String) throws(ArchiveError) {
        for var remote in remotes {
            remote.sheet = facts.date
            try remote.write(in: archive)
        }
    }

    private static func names(in archive: String) -> [String] {
        let files =
            (try? FileManager.default.contentsOfDirectory(atPath: "\(archive)/offsite")) ?? []
        return files.filter { $0.hasSuffix(".json") }.map { String($0.dropLast(5)) }.sorted()
    }
}
