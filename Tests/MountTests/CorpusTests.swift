import TestSupport
import Testing

/// All files of the corpus, on the way in and on the way out.
@Suite(
    "Real files through the whole path", .serialized,
    .enabled(if: PacsfsProgram.canMount, PacsfsProgram.cannotMount),
    // They are not part of the package.
    .enabled(if: Corpus.shared != nil, Corpus.isAbsent), .corpusArchives)
struct CorpusTests {
    let archives: CorpusArchives

    init() throws { archives = try #require(CorpusArchives.current) }

    typealias Way = CorpusArchives.Way

    /// The views in which every image must be found.
    private static let views = ["by-patient", "by-date", "by-modality", "by-id", "by-uid"]

    @Test("Every original is archived, a duplicate, rejected, or a DICOMDIR")
    func accounts() throws {
        let summary = archives.summary
        #expect(archives.files.count == 983 && summary.files == 983)
        #expect(
            summary.archived + summary.duplicates + summary.rejected + summary.ignored
                == summary.files)
        #expect(summary.failed == 0 && summary.ignored == 8)
        #expect(summary.rejections.count == summary.rejected)
        let truncated = summary.truncated.compactMap {
            $0.path.split(separator: "/").last.map(String.init)
        }.sorted()
        #expect(
            truncated == CorpusArchives.cutOff
                && summary.truncated.allSatisfy { $0.reason.contains(" end") })
        #expect(summary.duplicates == 983 - Set(archives.files.values).count)
        for way in Way.allCases {
            let status = try archives.archive(way).status()
            #expect(status.blobs == summary.archived, "\(way)")
            #expect(status.blobs == summary.archived)
            #expect(status.rejected == summary.rejected)
            #expect(status.blobs + summary.duplicates + status.rejected + 8 == 983)
            #expect(status.copies == .init(wanted: 2, underReplicated: 0))
            #expect(status.incoming.pending == 0)
            #expect(status.volumes.map(\.blobs) == [status.blobs, status.blobs])
        }
        #expect(try archives.imported.status().studies == archives.copied.status().studies)
        #expect(try archives.imported.status().patients == archives.copied.status().patients)
        #expect(try archives.imported.status().bytes == archives.copied.status().bytes)
    }

    @Test("import and cp -r show the same images in the same views")
    func sameImages() {
        // Which of two files with the same name gets a suffix depends on the order.
        func images(_ way: Way) -> [String] {
            archives.images(way).map { path, digest in
                path.prefix { $0 != "/" } + " " + digest
            }.sorted()
        }
        #expect(images(.imported) == images(.copied))
        for view in MountedArchive.views {
            let count = images(.imported).count { $0.hasPrefix(view + " ") }
            let isSelective = MountedArchive.selectiveViews.contains(view)
            #expect(
                isSelective
                    ? count < archives.summary.archived : count == archives.summary.archived,
                "\(view)")
        }
    }

    @Test("import and cp give the same paths when they go in the same order")
    func samePaths() {
        // Images that are cut off have come later here: theirs, and those of the same name, may
        // differ in the suffix.
        let late = Set(
            archives.files.filter { path, _ in
                CorpusArchives.cutOff.contains { path.hasSuffix("/" + $0) }
            }.values)
        func plain(_ path: String) -> String { path.replacing(/\ ~[0-9a-f]+/, with: "") }
        let names = Set(
            archives.images(.imported).filter { late.contains($0.value) }.keys.map(plain))
        func others(_ way: Way) -> [String: String] {
            archives.images(way).filter { !names.contains(plain($0.key)) }
        }
        let (imported, ordered) = (others(.imported), others(.ordered))
        #expect(imported.count > archives.images(.imported).count * 9 / 10)
        let different = Set(imported.keys).symmetricDifference(ordered.keys)
        #expect(
            different.isEmpty,
            "\(different.count) paths, for example \(different.sorted().prefix(4))")
        for (path, digest) in imported {
            #expect(ordered[path] == nil || ordered[path] == digest, "\(path)")
        }
    }

    @Test(
        "Every file that was not rejected is found with its exact bytes in five views",
        arguments: Way.allCases)
    func exactBytes(_ way: Way) throws {
        let expected = Set(archives.files.values).subtracting(archives.rejected).subtracting(
            archives.ignored)
        for view in Self.views {
            let found = archives.images(way).filter { $0.key.hasPrefix(view + "/") }
            #expect(found.count == expected.count, "\(view)")
            #expect(Set(found.values) == expected, "\(view)")
        }
        // Once byte by byte too, each file by a path from the archive itself.
        let archive = archives.archive(way)
        let byDigest = Dictionary(
            archives.images(way).filter { $0.key.hasPrefix("by-patient/") }.map { ($1, $0) }
        ) { first, _ in first }
        for (path, digest) in archives.files where expected.contains(digest) {
            let shown = try #require(byDigest[digest])
            let same = try Files.read("\(archives.source)/\(path)") == archive.readBelowMount(shown)
            #expect(same, "\(path) and \(shown)")
        }
    }

    @Test(
        "Every rejected file is in rejected with a reason that a person understands",
        arguments: Way.allCases)
    func rejected(_ way: Way) throws {
        let shown = archives.shown[way, default: [:]].filter { $0.key.hasPrefix("rejected/") }
        let expected = archives.rejected
        #expect(expected.count == archives.summary.rejected && !expected.isEmpty)
        for rejection in archives.summary.rejections {
            let original = String(rejection.path.dropFirst(archives.source.count + 1))
            let path = try #require(
                shown.keys.first { $0.hasSuffix("/corpus/" + original) },
                "\(original) is not in rejected")
            #expect(path.split(separator: "/")[1].wholeMatch(of: /\d{4}-\d\d-\d\d/) != nil)
            #expect(shown[path] == archives.files[original], "\(original) was changed")
            let reason = String(
                decoding: try archives.archive(way).readBelowMount("\(path).reason.txt"),
                as: UTF8.self)
            // `import` has other words for an empty file.
            #expect(reason == rejection.reason + "\n" || reason.contains("empty"), "\(original)")
            #expect(
                reason.contains(" ") && reason.hasSuffix(".\n")
                    && (40...400).contains(reason.count), "\(reason)")
        }
        #expect(shown.keys.count { !$0.hasSuffix(".reason.txt") } == expected.count)
        #expect(shown.keys.count { $0.hasSuffix(".reason.txt") } == expected.count)
        #expect(
            shown.values.allSatisfy { digest in
                archives.images(way).values.allSatisfy { $0 != digest }
            })
    }

    @Test("A DICOMDIR is neither shown as an image nor rejected", arguments: Way.allCases)
    func mediaDirectories(_ way: Way) {
        #expect(archives.ignored.count == 8)
        #expect(archives.ignored.isDisjoint(with: archives.shown[way, default: [:]].values))
    }

    @Test(
        "Both volumes hold every blob, and sha256sum of each is its name", arguments: Way.allCases)
    func blobs(_ way: Way) throws {
        let archive = archives.archive(way)
        let expected = Set(archives.files.values).subtracting(archives.rejected).subtracting(
            archives.ignored)
        for volume in archive.volumes {
            let blobs = try Files.digests(below: volume + "/blobs")
            #expect(blobs.count == expected.count)
            #expect(Set(blobs.values) == expected)
            for (path, digest) in blobs {
                #expect(
                    path == blobName(digest))
            }
            let writable = try archive.mustShell(
                "find \"$V/blobs\" -type f ! -perm 444", ["V": volume])
            #expect(writable.output.isEmpty)
            let staging = try archive.mustShell("find \"$V/staging\" -type f", ["V": volume])
            #expect(staging.output.isEmpty, "staging is not empty: \(staging.output)")
        }
    }

    @Test(
        "The ledger's chain verifies on both volumes, and accounts for every file",
        arguments: Way.allCases)
    func ledger(_ way: Way) throws {
        let archive = archives.archive(way)
        let verdicts = try archive.volumes.map { try LedgerVerdict(volume: $0) }
        #expect(verdicts[0] == verdicts[1])
        #expect(verdicts[0].fault == nil)
        let kinds = verdicts[0].kinds
        #expect(kinds["ingest"] == archives.summary.archived)
        #expect(kinds["duplicate"] == archives.summary.duplicates)
        #expect(
            kinds["reject"] == archives.summary.rejected
                + (way == .imported ? 0 : CorpusArchives.cutOff.count))
        #expect(try archive.status().ledger.records == verdicts[0].records)
        #expect(try archive.status().ledger.head == verdicts[0].head)
    }

    @Test("A ledger in which one letter was changed does not verify")
    func tampered() throws {
        let archive = archives.imported
        try archive.mustShell(
            """
            rm -rf tampered && mkdir tampered && cp -r ../volume1/ledger tampered/
            file=$(ls tampered/ledger/*/*.jsonl | head -1)
            sed -i '100s/"n":100,\\(.*\\)[0-9]"/"n":100,\\1X"/' "$file"
            fails cmp -s "$file" ../volume1/ledger/*/"$(basename "$file")"
            """)
        #expect(try LedgerVerdict(volume: archive.work + "/tampered").fault == "101: prev")
    }

    @Test(
        "Names are legal on ext4, NTFS, exFAT and SMB, and unique ignoring case",
        arguments: Way.allCases)
    func portableNames(_ way: Way) throws {
        let listing = try archives.archive(way).mustShell(
            "cd \"$M\" && find by-* -mindepth 1 -print0")
        let paths = try listing.outputBytes.split(separator: 0).map { bytes in
            try #require(String(validating: bytes, as: UTF8.self))
        }
        #expect(paths.count > MountedArchive.completeViews.count * archives.summary.archived)
        #expect(try archives.archive(way).namesThatAreNotPortable() == [])
    }

    @Test("A second import finds only duplicates, and changes nothing")
    func again() throws {
        let archive = archives.imported
        let before = try archive.status()
        let listing = try archive.mustShell("find \"$M\"/by-* | sort").output
        let run = try archive.pacsfs("import", "--json", archives.source, timeout: 120)
        let summary = try run.json(ImportSummary.self)
        #expect(run.code == 1)
        #expect(
            (summary.archived, summary.duplicates) == (
                0, archives.summary.archived + archives.summary.duplicates
            ))
        #expect(summary.rejected == archives.summary.rejected)
        let after = try archive.status()
        #expect(
            (after.instances, after.studies, after.patients, after.bytes, after.rejected)
                == (
                    before.instances, before.studies, before.patients, before.bytes, before.rejected
                ))
        #expect(try archive.mustShell("find \"$M\"/by-* | sort").output == listing)
    }
}
