import Foundation
import TestSupport
import Storage
import SyntheticStudy

/// An archive with two volumes that is not mounted, and files to import. It can be restored as
/// often as a test breaks it.
final class TestArchive: Sendable {
    let folder: TemporaryFolder
    /// Holds all that changes: the archive and its volumes.
    var base: String { folder.path + "/base" }
    var path: String { base + "/archive" }
    var volumes: [String] { [1, 2].map { "\(base)/volume\($0)" } }
    /// The folders that the interposer watches: volume 1, volume 2, the archive's directory.
    var roots: [String] { volumes + [path] }
    var trace: String { folder.path + "/trace" }
    private var original: String { folder.path + "/original" }

    /// A file to import.
    typealias Source = ArchiveCheck.Given

    /// The files to import: an image that is archived already; images of two studies, of which two
    /// belong to one series and two have the same bytes; and a text.
    let sources: [Source]
    /// The image that the archive holds from the beginning.
    let first: Source

    init() throws {
        folder = try TemporaryFolder()
        let one = SyntheticStudy(seed: 1, imagesPerSeries: 3, side: 24)
        let two = SyntheticStudy(seed: 2, imagesPerSeries: 1, side: 40)
        let before = one.image(series: 0, index: 0).write()
        let files: [(String, [UInt8], Bool)] = [
            ("1-before.dcm", before, true),
            ("2-a.dcm", one.image(series: 0, index: 1).write(), true),
            ("3-b.dcm", one.image(series: 0, index: 2).write(), true),
            ("4-c.dcm", two.image(series: 0, index: 0).write(), true),
            ("5-a-again.dcm", one.image(series: 0, index: 1).write(), true),
            ("6-notes.txt", Array("Rex was very good.\n".utf8), false),
        ]
        let path = folder.path
        sources = try files.map { name, bytes, isImage in
            try Files.write(bytes, to: "\(path)/sources/\(name)")
            return Source(
                path: "\(path)/sources/\(name)", digest: Digest.of(bytes).hex, isImage: isImage)
        }
        first = sources[0]
        try must([
            program, "init", "--archive", self.path, "--volume", volumes[0], "--volume", volumes[1],
        ])
        // A file with one copy is no success here.
        try must(["sed", "-i", "s/^min_copies = .*/min_copies = 2/", self.path + "/pacsfs.toml"])
        try must([program, "import", "--archive", self.path, first.path])
        try must(["cp", "-a", base, original])
    }

    /// Makes one, runs `body`, and takes everything away whatever happened.
    static func with<R>(_ body: (TestArchive) throws -> R) throws -> R {
        let archive = try TestArchive()
        return try body(archive)
    }

    private var program: String { PacsfsProgram.path ?? "pacsfs" }

    private func must(_ arguments: [String]) throws {
        let run = try ProgramRun(arguments)
        guard run.succeeded else { throw ProgramError(description: run.report) }
    }

    /// Everything is as it was at the beginning.
    func restore() throws {
        try must(["rm", "-rf", "--", base, trace])
        try must(["cp", "-a", original, base])
    }

    func pacsfs(_ arguments: [String], _ environment: [String: String] = [:]) throws -> ProgramRun {
        try ProgramRun(
            [program] + arguments + ["--archive", path], environment: environment, timeout: 60)
    }

    /// Imports the sources under the rules; whatever comes of that.
    func importSources(
        _ rules: [FaultRule] = [], isTraced: Bool = false, only name: String = ""
    ) throws -> ImportRun {
        let environment = try Interposer.environment(
            roots: roots, rules: rules, trace: isTraced ? trace : nil)
        return ImportRun(
            try pacsfs(["import", "--verbose", folder.path + "/sources/" + name], environment),
            sources)
    }
}

extension TestArchive {
    /// What `Scripts/check-archive` finds wrong, after `pacsfs status` has opened the archive.
    ///
    /// - Parameter acknowledged: Files that must be there, on both volumes.
    func problems(
        acknowledged: [Source], options: [ArchiveCheck.Option] = []
    ) throws -> [String] {
        try ArchiveCheck(
            archive: path, volumes: volumes, given: sources, acknowledged: [first] + acknowledged,
            asking: program, options: options
        ).problems
    }

    /// Imports everything again, without faults, and looks whether all of it is there then.
    func problemsAfterSecondImport(options: [ArchiveCheck.Option] = []) throws -> [String] {
        let again = try importSources()
        // 1: a file was rejected.
        guard again.run.code == 1, again.acknowledged.count == sources.count else {
            return ["the import does not go through afterwards: \(again.run.report)"]
        }
        return try problems(acknowledged: sources, options: options)
    }
}

/// The output of an import up to its end, whatever ended it.
struct ImportRun: Sendable {
    let run: ProgramRun
    /// The outcome of each file that the output names, by path.
    let outcomes: [String: String]
    private let sources: [TestArchive.Source]

    init(_ run: ProgramRun, _ sources: [TestArchive.Source]) {
        self.run = run
        self.sources = sources
        outcomes = Self.outcomes(in: run.output)
    }

    /// Reads lines of outcome, TAB and path; ignores others.
    static func outcomes(in text: String) -> [String: String] {
        var outcomes: [String: String] = [:]
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: "\t")
            if parts.count == 2 { outcomes[String(parts[1])] = String(parts[0]) }
        }
        return outcomes
    }

    var wasKilled: Bool { run.code == 128 + SIGKILL }

    /// The files that were said to be safe.
    var acknowledged: [TestArchive.Source] { Self.acknowledged(outcomes, of: sources) }

    static func acknowledged(
        _ outcomes: [String: String], of sources: [TestArchive.Source]
    ) -> [TestArchive.Source] {
        sources.filter { ["archived", "duplicate", "rejected"].contains(outcomes[$0.path] ?? "") }
    }

    /// The files of which it was said that they are not.
    var failed: [TestArchive.Source] { sources.filter { outcomes[$0.path] == "failed" } }
}
