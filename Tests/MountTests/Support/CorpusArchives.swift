import Glibc
import TestSupport
import Testing

/// The whole corpus in three archives, filled in three ways; all of them mounted.
struct CorpusArchives: Sendable {
    /// The originals, in a folder: `samples` and `series`.
    let source: String
    /// Filled by `pacsfs import`.
    let imported: MountedArchive
    /// Filled by `cp -r` into incoming.
    let copied: MountedArchive
    /// Filled by cp, in the order in which `import` goes, and all of it by a user who is not root.
    let ordered: MountedArchive
    let summary: ImportSummary
    /// The SHA-256 of the originals, by path.
    let files: [String: String]
    /// The files in each mount: SHA-256 by path.
    let shown: [Way: [String: String]]

    /// Files that end before their data set does.
    static let cutOff = [
        "MR_truncated.dcm", "huge_length.dcm", "rtplan_truncated.dcm",
        "truncated_in_element_header.dcm", "truncated_in_pixels.dcm",
    ]

    /// The settings are one each: passthrough as root, cached as root, unprivileged.
    enum Way: String, CaseIterable, Sendable {
        case imported, copied, ordered
    }

    func archive(_ way: Way) -> MountedArchive {
        switch way {
        case .imported: imported
        case .copied: copied
        case .ordered: ordered
        }
    }

    /// The files in the views of the mount, by path; not those in `rejected` and `incoming`.
    func images(_ way: Way) -> [String: String] {
        shown[way, default: [:]].filter { $0.key.hasPrefix("by-") }
    }

    /// The SHA-256 of the files that the import rejected.
    var rejected: Set<String> {
        Set(summary.rejections.compactMap { files[String($0.path.dropFirst(source.count + 1))] })
    }

    /// The SHA-256 of the files that went without a word: each DICOMDIR.
    var ignored: Set<String> {
        let digests = files.filter {
            $0.key.split(separator: "/").last?.hasPrefix("DICOMDIR") == true
        }.values
        return Set(digests)
    }

    @TaskLocal static var current: CorpusArchives?
}

/// Fills the archives once for all tests of a suite, and takes them away after the last.
struct CorpusArchivesTrait: SuiteTrait, TestScoping {
    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        try await MountedArchive.with(.passthrough) { imported in
            try await MountedArchive.with(.cached) { copied in
                try await MountedArchive.with(.cached, isUnprivileged: true) { ordered in
                    let archives = try Self.fill(imported, copied, ordered)
                    try await CorpusArchives.$current.withValue(archives) { try await function() }
                }
            }
        }
    }

    /// Truncated images are rejected when they are copied. `import` archives them as they are, and
    /// so does moving them back.
    private static func acceptCutOff(in archive: MountedArchive) throws {
        try archive.settled(within: 60)
        let moved = try archive.mustShell(
            """
            cd "$M/rejected"
            grep -rl --include='*.reason.txt' 'This image is cut off' . | while read -r reason; do
                mv "${reason%.reason.txt}" "$I/"
                basename "$reason" .reason.txt
            done | LC_ALL=C sort
            """)
        try #require(moved.output.split(separator: "\n").map(String.init) == CorpusArchives.cutOff)
        try archive.settled(within: 60)
    }

    private static func fill(
        _ imported: MountedArchive, _ copied: MountedArchive, _ ordered: MountedArchive
    ) throws -> CorpusArchives {
        let corpus = try #require(Corpus.shared)
        let source = imported.work + "/corpus"
        try corpus.copy(to: source)
        // Its reader is another user.
        chmod(imported.folder.path, 0o711)
        let run = try imported.pacsfs("import", "--json", source, timeout: 120)
        // Some files were rejected, as has to be.
        try #require(run.code == 1, "\(run.report)")
        let copy = try copied.mustShell(
            "cp -r \"$SOURCE\" \"$I/\"", ["SOURCE": source], timeout: 120)
        try #require(copy.errors.isEmpty)
        // As `import` sorts: the names of each folder by themselves.
        let sorted = """
            cd "$(dirname "$SOURCE")"
            python3 - <<'END' | xargs -0 cp --parents -t "$I"
            import os, sys
            def walk(folder):
                for name in sorted(os.listdir(folder)):
                    path = folder + '/' + name
                    if os.path.isdir(path): walk(path)
                    else: sys.stdout.write(path + '\\0')
            walk('corpus')
            END
            """
        try ordered.mustShell(sorted, ["SOURCE": source], timeout: 120)
        for archive in [copied, ordered] { try acceptCutOff(in: archive) }
        return CorpusArchives(
            source: source, imported: imported, copied: copied, ordered: ordered,
            summary: try run.json(ImportSummary.self), files: try Files.digests(below: source),
            shown: [
                .imported: try imported.digestsBelowMount(),
                .copied: try copied.digestsBelowMount(),
                .ordered: try ordered.digestsBelowMount(),
            ])
    }
}

extension Trait where Self == CorpusArchivesTrait {
    static var corpusArchives: Self { Self() }
}
