import Foundation
import Storage
import System
import TagIndex

/// The files `pacsfs.toml` and `archive.json` of an open archive.
final class Configuration: Sendable {
    let core: ArchiveCore
    /// Woken when other views may be wanted.
    let viewMaking: BackgroundLoop
    /// Why `pacsfs.toml` was not taken into use when it was read again; `nil` when it was.
    private let lastProblem = Lock<String?>(nil)

    init(_ core: ArchiveCore, viewMaking: BackgroundLoop) {
        (self.core, self.viewMaking) = (core, viewMaking)
    }

    /// Why `pacsfs.toml` was not taken into use when it was read again; `nil` when it was.
    var problem: String? { lastProblem.withLock { $0 } }

    func note(problem: String?) { lastProblem.withLock { $0 = problem } }

    /// Changes `pacsfs.toml`, and brings `archive.json` up to date; each is replaced in one step.
    func change(_ change: (inout ConfigurationFile) throws -> Void) throws {
        var file = ConfigurationFile(
            try Settings.text(of: ArchivePaths(core.path).configuration))
        try change(&file)
        _ = try Settings(toml: file.text)
        try ReplacedFile.write(file.text.utf8, to: ArchivePaths.configurationName, in: core.path)
        try noteVolumes()
    }

    /// Brings `archive.json` up to date: what has to be known of volumes when they are away.
    func noteVolumes() throws {
        core.volumes.noteNeighbours(ofArchiveAt: core.path)
        let identity = Archive.Identity(
            archive: core.id,
            volumes: core.volumes.members.filter { $0.ordinal > 0 }.map {
                .init(
                    ordinal: $0.ordinal, path: $0.place.path, neighbours: $0.neighbours,
                    isGivenUp: $0.isGivenUp ? true : nil)
            })
        guard (try? Archive.identity(of: core.path)) != identity else { return }
        try ReplacedFile.write(
            JSONEncoder().encode(identity), to: ArchivePaths.identityName, in: core.path)
    }
}
