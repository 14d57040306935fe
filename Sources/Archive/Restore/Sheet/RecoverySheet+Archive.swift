import Foundation
import Storage
import System
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
        for name in all { remotes.append(try RemoteSecrets(name, of: archive).withKeyInside) }
        guard !remotes.isEmpty else {
            throw ArchiveError(
                .notFound, "The archive has no remote.",
                remedy: "Add one: pacsfs offsite add NAME REMOTE")
        }
        let position = try? TagIndex(readingFrom: ArchivePaths(archive).index)
            .read { try $0.position() }
        var facts = Facts(
            archive: archive, id: id, volumes: settings.volumes.map(\.path),
            copies: settings.copies, mountpoint: mountpoint,
            head: position.map { "\($0.head):\($0.number)" }, date: date)
        facts.publicKey = try DrillKey(of: archive).publicPEM
        self.init(facts, remotes)
    }

    /// Notes in the archive that the sheet was printed or saved: before that nothing goes to an
    /// encrypted remote.
    ///
    /// - Throws: ``ArchiveError`` when that cannot be written.
    public func noteSaved(in archive: String) throws(ArchiveError) {
        for printed in remotes {
            var remote = try RemoteSecrets(printed.name, of: archive)
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

extension RemoteSecrets {
    /// The same with the private key of SFTP as an option: the file that has it burns too.
    fileprivate var withKeyInside: RemoteSecrets {
        guard location.type == "sftp", let file = location.options["key_file"],
            let key = try? RegularFile.content(of: file)
        else { return self }
        var other = self
        other.location.options["key_file"] = nil
        other.location.options["key_pem"] = String(decoding: key, as: UTF8.self)
            .trimmingCharacters(in: .newlines).replacing("\n", with: "\\n")
        return other
    }

    /// Options that name files of this machine, which a restore will not have.
    var localFiles: [String] {
        if location.type == "local" { return [] }
        return location.options.filter { $0.value.hasPrefix("/") && $0.key.contains("file") }
            .map { "\($0.key) = \($0.value)" }.sorted()
    }
}
