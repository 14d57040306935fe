import TestSupport
import Testing

/// What the commands print and how they end, with the sample images.
@Suite("Commands", .serialized, .enabled(if: PacsfsProgram.canMount, PacsfsProgram.cannotMount))
struct CommandTests {
    @Test("init refuses what it would spoil, and leaves it as it is")
    func initialize() throws {
        try MountedArchive.with(isMounted: false) { archive in
            let before = try archive.mustShell("find .. -path ../work -prune -o -print | sort")
                .output
            let again = try archive.pacsfs(
                "init", "--archive", archive.archive, "--volume", "v1", "--volume", "v2")
            #expect(
                again.code == 2 && again.errors.contains("is an archive already"), "\(again.report)"
            )
            let taken = try archive.pacsfs(
                "init", "--archive", "other", "--volume", archive.volumes[0], "--volume", "v3")
            #expect(taken.code == 2 && taken.errors.contains(archive.volumes[0]), "\(taken.report)")
            let few = try archive.pacsfs("init", "--archive", "third", "--volume", "v4")
            #expect(few.code == 2 && few.errors.contains("2 volumes"), "\(few.report)")
            #expect(
                try archive.mustShell("find .. -path ../work -prune -o -print | sort").output
                    == before)
            let one = try archive.pacsfs(
                "init", "--archive", "single", "--volume", "v5", "--copies", "1")
            #expect(one.succeeded, "\(one.report)")
            #expect(try archive.pacsfs("init", "--archive", "x").code == 64)
        }
    }

    @Test("An init that fails leaves no folder behind")
    func failedInit() throws {
        try MountedArchive.with(isMounted: false) { archive in
            let run = try archive.pacsfs(
                "init", "--archive", "other", "--volume", "new", "--volume", archive.volumes[0])
            #expect(run.code == 2)
            #expect(try archive.mustShell("ls -A").output.isEmpty, "other and new were made")
        }
    }

    @Test("import counts what it did, while mounted and while not", arguments: [true, false])
    func imports(_ isMounted: Bool) throws {
        try MountedArchive.with(isMounted: isMounted) { archive in
            let samples = try archive.writeSamples()
            try archive.mustShell(
                """
                echo text >samples/notes.txt; echo x >samples/Thumbs.db; ln -s notes.txt \
                samples/link; cp -r samples/CT again
                """
            )
            let run = try archive.pacsfs("import", "--json", "samples", "again")
            #expect(run.code == 1, "\(run.report)")
            let summary = try run.json(ImportSummary.self)
            #expect((summary.files, summary.archived, summary.duplicates) == (31, 17, 12))
            #expect((summary.rejected, summary.ignored, summary.failed) == (1, 1, 0))
            #expect(summary.links == 1)
            #expect(summary.rejections.map(\.path) == [archive.work + "/samples/notes.txt"])
            for sample in samples { try archive.expectArchived(sample) }
            let human = try archive.pacsfs("import", "samples")
            #expect(human.code == 1)
            #expect(
                human.lines.first?.contains("0 archived, 17 duplicates, 1 rejected, 1 ignored")
                    == true, "\(human.report)")
            #expect(human.output.contains("notes.txt") && human.output.contains("not a DICOM file"))
            #expect(human.output.contains("1 symbolic link was not followed"), "\(human.report)")
            // Nothing but links is not everything.
            try archive.mustShell("mkdir links; ln -s ../samples ../again links")
            let links = try archive.pacsfs("import", "links")
            #expect(
                links.code == 1 && links.output.contains("2 symbolic links were not followed"),
                "\(links.report)")
            #expect(try archive.pacsfs("import", "again").code == 0)
            let missing = try archive.pacsfs("import", "nowhere")
            #expect(
                missing.code == 2 && missing.errors.contains("nowhere cannot be read"),
                "\(missing.report)")
            #expect(try archive.status().instances == 17)
            #expect(
                try archive.mustShell("find samples -type f | wc -l").output == "19\n",
                "import changed its source")
        }
    }

    @Test(
        "import --verbose tells of each file, while mounted and while not",
        arguments: [true, false])
    func importVerbose(_ isMounted: Bool) throws {
        try MountedArchive.with(isMounted: isMounted) { archive in
            _ = try archive.writeSamples()
            try archive.mustShell("echo text >samples/notes.txt")
            let lines = try archive.pacsfs("import", "--verbose", "samples").lines.prefix {
                $0.contains("\t")
            }
            let outcomes = lines.map { $0.split(separator: "\t") }
            #expect(
                outcomes.count { $0[0] == "archived" } == 17 && outcomes.count == 18, "\(lines)")
            #expect(lines.contains("rejected\t\(archive.work)/samples/notes.txt"))
            for outcome in outcomes { #expect(Files.exists(String(outcome[1]))) }
            // As JSON, an object a line, and the summary behind them.
            let json = try archive.pacsfs("import", "--verbose", "--json", "samples").output
            let objects = json.split(separator: "\n").filter { $0.hasPrefix("{\"") }
            #expect(
                objects.count { $0.contains("\"outcome\":\"duplicate\"") } == 17
                    && objects.count == 18, "\(json)")
            #expect(json.contains("\n  \"duplicates\" : 17"))
        }
    }

    @Test("What fails for one reason is told once, with how many files and which")
    func sameReason() throws {
        try MountedArchive.with(isMounted: false) { archive in
            _ = try archive.writeSamples()
            try archive.mustShell(
                """
                mv ../volume2 ../elsewhere; for n in $(seq 12); do echo text $n >samples/$n.txt; \
                done
                """
            )
            let run = try archive.pacsfs("import", "samples")
            #expect(run.code == 2, "\(run.report)")
            let reasons = run.lines.filter { $0.contains("files: ") && $0.hasPrefix("  ") }
            #expect(
                reasons.count == 2 && reasons[0].hasPrefix("  12 files: ")
                    && reasons[1].hasPrefix("  17 files: "), "\(run.report)")
            #expect(run.lines.count { $0.hasSuffix(".dcm") } == 10, "\(run.report)")
            #expect(
                run.lines.contains("      … and 7 more for the same reason; --json lists them all"))
            let summary = try archive.pacsfs("import", "--json", "samples").json(ImportSummary.self)
            // What is no image could not be set aside either.
            #expect(summary.failed == 29)
            try archive.mustShell("mv ../elsewhere ../volume2")
        }
    }

    @Test(
        """
        import refuses the archive itself, its volumes, and what contains it; init refuses the \
        mount
        """
    )
    func importItself() throws {
        try MountedArchive.with { archive in
            try archive.importSamples()
            let places = [archive.mountpoint, archive.mountpoint + "/by-id", archive.folder.path]
            for path in places + [
                archive.volumes[1], archive.volumes[0] + "/blobs", archive.archive,
            ] {
                let run = try archive.pacsfs("import", path)
                #expect(
                    run.code == 2 && run.errors.contains("a folder of the archive itself"),
                    "\(run.report)")
            }
            let inside = try archive.pacsfs(
                "init", "--archive", "inner", "--copies", "1", "--volume",
                archive.mountpoint + "/incoming/v")
            #expect(
                inside.code == 2 && inside.errors.contains("lies in the mounted archive"),
                "\(inside.report)")
            #expect(try archive.mustShell("find \"$I\" -mindepth 1").output == "")
            try archive.mustShell("mv ../archive/pacsfs.toml .")
            let lost = try archive.pacsfs("find", "rex")
            #expect(
                lost.code == 2 && lost.errors.contains("its configuration pacsfs.toml is missing"),
                "\(lost.report)")
            try archive.mustShell("mv pacsfs.toml ../archive")
        }
    }

    @Test("An import that is interrupted can be repeated, and loses nothing")
    func interrupted() throws {
        try MountedArchive.with(isMounted: false) { archive in
            let samples = try archive.writeSamples()
            // Enough of them that there is time to interrupt.
            try archive.mustShell(
                """
                for n in $(seq 40); do cp -r samples/CT samples/CT$n; for f in samples/CT$n/*/*; \
                do printf '%08d' $n >>"$f"; done; done
                "$PACSFS" import samples >/dev/null & import=$!
                until compgen -G '../volume1/blobs/*/*/*.dcm' >/dev/null; do kill -0 $import; done
                kill -9 $import || true; wait $import || true
                """)
            let run = try archive.pacsfs("import", "--json", "samples")
            #expect(run.succeeded, "\(run.report)")
            let summary = try run.json(ImportSummary.self)
            #expect(summary.archived + summary.duplicates == 17 + 40 * 12)
            #expect(try archive.status().instances == 17 + 40 * 12)
            #expect(try archive.status().copies.underReplicated == 0)
            for sample in samples { try archive.expectArchived(sample) }
            for volume in archive.volumes {
                #expect(try LedgerVerdict(volume: volume).fault == nil)
            }
        }
    }

    @Test("status has everything a script wants, mounted and not")
    func status() throws {
        try MountedArchive.with(.cached) { archive in
            let samples = try archive.writeSamples()
            #expect(
                try archive.pacsfs("status").lines.first?.hasPrefix(
                    "Ready: the archive is empty. Its volumes are on one disk (") == true)
            try archive.mustShell(
                "\"$PACSFS\" import samples; cp 'samples/CT'/*/SLICE01.dcm \"$I/x.part\"")
            let mounted = try archive.status()
            #expect(
                (mounted.instances, mounted.studies, mounted.patients, mounted.blobs) == (
                    17, 5, 2, 17
                ))
            #expect(mounted.bytes == (try samples.reduce(0) { $0 + (try Files.read($1)).count }))
            #expect(mounted.copies == .init(wanted: 2, underReplicated: 0))
            #expect(mounted.volumes.map(\.path) == archive.volumes)
            #expect(
                Set(mounted.volumes.map(\.id)).count == 2
                    && Set(mounted.volumes.map(\.domain)).count == 2)
            #expect(
                mounted.volumes.allSatisfy { $0.state == "online" && $0.blobs == 17 && $0.free > 0 }
            )
            #expect(mounted.readMode == "cached")
            #expect((mounted.incoming.pending, mounted.rejected) == (1, 0))
            let human = try archive.pacsfs("status")
            #expect(
                human.code == 1
                    && human.lines.first?.hasPrefix(
                        """
                        NOT SAFE: all 17 images are stored 2 times, but both volumes are on one disk
                        """) == true
                    && !human.output.contains("Also"),
                "\(human.report)")
            try archive.mustShell("rm \"$I/x.part\"")
            try archive.unmount()
            var unmounted = try archive.status()
            #expect(unmounted.readMode == nil && unmounted.incoming.pending == 0)
            unmounted.readMode = mounted.readMode
            unmounted.incoming = mounted.incoming
            for index in unmounted.volumes.indices {
                unmounted.volumes[index].free = mounted.volumes[index].free
            }
            #expect(unmounted == mounted)
            try archive.mount()
        }
    }

    /// What one may ask for in the sample images, and how many studies and images that is.
    private static let searches: [(words: [String], studies: Int, images: Int)] = [
        (["smith"], 3, 15), (["smith", "rex"], 3, 15), (["SMITH"], 3, 15), (["smi"], 3, 15),
        (["rex", "hip"], 2, 3), (["müller"], 2, 2), (["muller"], 2, 2),
        (["MÜLLER", "minka"], 2, 2),
        (["Mu\u{308}ller"], 2, 2), (["rontgen"], 1, 1), (["röntgen"], 1, 1), (["jürgen"], 2, 2),
        (["1001"], 3, 15), (["id=1001"], 3, 15), (["id=100*"], 5, 17), (["PatientID=1002"], 2, 2),
        (["A104"], 1, 1), (["276098100123456"], 3, 15), (["chip=276098100654321"], 2, 2),
        (["ct"], 1, 12), (["Modality=US"], 1, 1), (["modality=us"], 1, 1), (["dx"], 3, 4),
        (["2026"], 4, 15), (["2025"], 1, 2), (["2026-05"], 2, 2), (["2026-03-03"], 1, 12),
        (["20260303"], 1, 12), (["2025..2026"], 5, 17), (["2026-02..2026-03"], 2, 13),
        (["..2025"], 1, 2), (["2026-04.."], 2, 2), (["date=2026-05-20"], 2, 2),
        (["species=canine"], 3, 15), (["breed=labrador"], 3, 15),
        (["BodyPartExamined=CHEST"], 2, 13),
        (["owner=mary"], 3, 15), (["smith", "2026", "ct"], 1, 12), (["smith", "us"], 0, 0),
        (["mith"], 0, 0), (["2019"], 0, 0), (["id=100"], 0, 0),
        (["canine"], 3, 15), (["dog"], 3, 15), (["labrador"], 3, 15),
    ]

    @Test("find finds by words, dates and attributes")
    func find() throws {
        try MountedArchive.with(isMounted: false) { archive in
            try archive.importSamples()
            for search in Self.searches {
                let run = try ProgramRun(
                    [PacsfsProgram.path ?? "", "find", "--json"] + search.words,
                    environment: ["PACSFS_ARCHIVE": archive.archive])
                let found = try run.json(FoundStudies.self).studies
                #expect(run.code == (search.studies == 0 ? 3 : 0), "\(run.report)")
                #expect(found.count == search.studies, "\(run.report)")
                #expect(found.reduce(0) { $0 + $1.images } == search.images, "\(run.report)")
            }
        }
    }

    @Test("find tells where the images are, for people and for programs")
    func findPaths() throws {
        try MountedArchive.with { archive in
            try archive.importSamples()
            let studies = try archive.pacsfs("find", "--json", "minka", "us").json(
                FoundStudies.self
            ).studies
            let study = try #require(studies.first)
            #expect(
                study.attributes["PatientName"] == "Müller^Minka"
                    && study.attributes["PatientID"] == "1002" && study.date == "2026-05-20")
            #expect(study.attributes["StudyDescription"] == "Abdominal ultrasound")
            #expect((study.modalities, study.series, study.images) == (["US"], 1, 1))
            #expect(!study.paths.isEmpty)
            for path in study.paths {
                #expect(path.hasPrefix(archive.mountpoint + "/"))
                let below = try archive.mustShell("find \"$F\" -type f | wc -l", ["F": path])
                #expect(below.output != "0\n", "\(path)")
            }
            let human = try archive.pacsfs("find", "rex", "ct")
            #expect(
                human.lines.count == 2 && human.output.contains("12 images")
                    && human.output.contains("2026-03-03"), "\(human.report)")
            #expect(human.lines[1].contains(archive.mountpoint + "/by-patient/"))
            let nothing = try archive.pacsfs("find", "nobody")
            #expect(nothing.code == 3 && nothing.output.contains("nobody"))
            for wrong in [["date=yesterday"], ["colour=red"], ["2026-02-31"], []] {
                let run = try ProgramRun(
                    [PacsfsProgram.path ?? "", "find"] + wrong,
                    environment: ["PACSFS_ARCHIVE": archive.archive])
                #expect(run.code == 2 && run.errors.hasPrefix("pacsfs: "), "\(run.report)")
            }
        }
    }

    @Test("show knows an image by its path in any view, its UIDs, its SHA-256 and its bytes")
    func show() throws {
        try MountedArchive.with { archive in
            try archive.importSamples()
            let sample = try #require(
                try archive.writeSamples().first { $0.hasSuffix("SLICE07.dcm") })
            let image = try #require(try archive.image(Files.digest(sample)))
            #expect(
                image.attributes["InstanceNumber"] == "7"
                    && image.attributes["PatientName"] == "Smith^Rex")
            #expect(
                image.bytes == (try Files.read(sample)).count && image.source == sample
                    && image.flags.isEmpty)
            #expect(image.copies.map(\.ordinal).sorted() == [1, 2])
            let uid = try #require(image.attributes["SOPInstanceUID"])
            for what in image.paths + [uid, sample] {
                #expect(
                    try archive.pacsfs("show", "--json", what).json(ShownImages.self).images.map(
                        \.sha256)
                        == [image.sha256])
                let human = try archive.pacsfs("show", what)
                #expect(
                    human.succeeded && human.output.contains(image.sha256)
                        && human.output.contains("Smith^Rex"))
            }
            for attribute in ["SeriesInstanceUID", "StudyInstanceUID"] {
                let all = try archive.pacsfs(
                    "show", "--json", #require(image.attributes[attribute]))
                #expect(try all.json(ShownImages.self).images.count == 12)
            }
            let folder = try archive.pacsfs(
                "show", "--json", archive.mountpoint + "/by-modality/CT")
            #expect(try folder.json(ShownImages.self).images.count == 12)
            try archive.mustShell("echo other >other.dcm")
            for unknown in ["1.2.3", String(repeating: "0", count: 64), "other.dcm"] {
                let run = try archive.pacsfs("show", unknown)
                #expect(run.code == 3 && run.output.contains("not in the archive"), "\(run.report)")
            }
            for missing in ["missing.dcm", archive.mountpoint + "/by-id/missing"] {
                let run = try archive.pacsfs("show", missing)
                #expect(
                    run.code == 3 && run.output.contains("There is no file \"\(missing)\""),
                    "\(run.report)")
            }
        }
    }

    /// Lines of a paragraph are as full as they can be (ArgumentParser leaves the last of the 80
    /// columns of a terminal free), and examples are never broken.
    private func expectWrappedOnce(
        _ lines: [String], sourceLocation: SourceLocation = #_sourceLocation
    ) {
        for (line, next) in zip(lines, lines.dropFirst()) where !line.isEmpty && !next.isEmpty {
            #expect(line.count <= 80, "\(line)", sourceLocation: sourceLocation)
            if line.hasPrefix(" ") || line.hasSuffix(":") || next.hasPrefix(" ") { continue }
            let word = next.prefix { $0 != " " }
            #expect(
                line.count + 1 + word.count > 79, "\(word) has room after: \(line)",
                sourceLocation: sourceLocation)
        }
        for (line, next) in zip(lines, lines.dropFirst()) where line.hasPrefix("  pacsfs ") {
            #expect(
                next.isEmpty || next.hasPrefix("  "), "\(line) is broken",
                sourceLocation: sourceLocation)
        }
    }

    @Test("Every command has help with an example, and a wrong call ends with 64")
    func help() throws {
        try MountedArchive.with(isMounted: false) { archive in
            for command in [
                "init", "mount", "unmount", "import", "find", "show", "status", "volume",
                "volume retire", "volume replace",
                "views", "views try", "reload", "scrub", "verify", "rebuild", "receive", "doctor",
            ] {
                let run = try archive.mustShell("\"$PACSFS\" \(command) --help")
                #expect(
                    run.output.contains(/Examples?:\n/)
                        && run.output.contains("  pacsfs \(command)"), "\(run.report)")
                #expect(try archive.shell("\"$PACSFS\" \(command) --no-such-option").code == 64)
                expectWrappedOnce(run.lines)
            }
            #expect(try archive.pacsfs("no-such-command").code == 64)
            #expect(try archive.pacsfs("--version").succeeded)
        }
    }
}
