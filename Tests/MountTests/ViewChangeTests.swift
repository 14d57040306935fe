import TestSupport
import SyntheticStudy
import Testing

/// The views of a mounted archive are changed in its configuration.
@Suite(
    "Change of views while mounted", .serialized,
    .enabled(if: PacsfsProgram.canMount, PacsfsProgram.cannotMount))
struct ViewChangeTests {
    private static let listing =
        """
        find \"$M\" -path \"$I\" -prune -o -path \"$M/rejected\" -prune -o -mindepth 1 -printf \
        '%P %i %s %T@ %y\\n' | grep -v '^status.html \\|^metrics.prom ' | sort
        """

    private func listing(_ archive: MountedArchive, without views: [String] = []) throws -> [String]
    {
        try archive.mustShell(Self.listing).lines.filter { line in
            !views.contains { line.hasPrefix($0 + "/") || line.hasPrefix($0 + " ") }
        }
    }

    @Test(
        """
        Views that stay keep every path and inode, open files stay open, and a view that comes \
        back is as before
        """,
        arguments: Setting.modes)
    func change(_ setting: Setting) throws {
        try MountedArchive.with(setting) { archive in
            try archive.importSamples()
            let before = try listing(archive)
            let good = try Files.text(archive.archive + "/pacsfs.toml")
            let held = """
                import os, sys
                M = os.environ['M']
                image = next(f'{folder}/{names[0]}' for folder, _, names in os.walk(M + \
                '/by-owner') if names)
                folder, data = os.path.dirname(image), open(image, 'rb').read()
                opened, directory = open(image, 'rb'), os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
                os.chdir(folder)
                names, number = os.listdir('.'), os.stat(image).st_ino
                print('ready', flush=True)
                os.mkfifo('\(archive.work)/go'); open('\(archive.work)/go').read()
                assert not os.path.exists(image) and not os.path.exists(M + '/by-owner')
                assert opened.read() == data and os.fstat(opened.fileno()).st_ino == number
                assert os.listdir(directory) == names == os.listdir('.')
                assert open(os.path.basename(image), 'rb').read() == data
                # The kernel has had the attributes since before the change.
                links = os.fstat(opened.fileno()).st_nlink
                assert links == \(MountedArchive.views.count + 1), links
                """
            try Files.write(Array(held.utf8), to: archive.work + "/held.py")
            try archive.mustShell(
                "python3 held.py >out 2>err & echo $! >pid; until test -p go; do sleep 0.02; done")

            // One is dropped, one has another template, one is new.
            try archive.changeViews { text in
                text.split(separator: "\n", omittingEmptySubsequences: false).compactMap {
                    line -> String? in
                    if line.hasPrefix("by-owner") { return nil }
                    if line.hasPrefix("by-id") {
                        return
                            """
                            by-id = \"{PatientID}/{Series}\"\nby-body = \
                            \"{BodyPartExamined}/{Series}\"\nby-day = \"{StudyDate:dd}\"
                            """
                    }
                    return String(line)
                }.joined(separator: "\n")
            }
            let names = try archive.mustShell("ls -d \"$M\"/by-*").lines.compactMap {
                $0.split(separator: "/").last.map(String.init)
            }
            #expect(
                names
                    == (MountedArchive.views.filter { $0 != "by-owner" } + ["by-body", "by-day"])
                    .sorted())
            #expect(
                try listing(archive, without: ["by-id", "by-body", "by-day"])
                    == before.filter { !$0.hasPrefix("by-id") && !$0.hasPrefix("by-owner") })
            #expect(try archive.mustShell("ls \"$M/by-id\"").output == "1001\n1002\n")
            #expect(
                try archive.mustShell(
                    "find \"$M/by-id\" -type f | wc -l; find \"$M/by-body\" -type f | wc -l"
                ).output == "17\n17\n")
            #expect(
                Set(
                    try archive.mustShell("find \"$M\"/by-* -type f -links 10 -printf '%i\\n'")
                        .lines
                ).count == 17)
            try archive.mustShell(
                """
                echo >go; while kill -0 $(cat pid) 2>/dev/null; do sleep 0.02; done; cat err \
                >&2; test ! -s err
                """
            )
            #expect(
                try archive.listedViews().filter { $0.state == "dropped" }.map(\.name).sorted() == [
                    "by-id", "by-owner",
                ])

            // An image that comes while a view is not shown is in it when it comes back.
            var late = SyntheticImage(seed: 77)
            late.patient.id = "late"
            try Files.write(late.write(), to: archive.work + "/late")
            try archive.mustShell("cp late \"$I/late.dcm\"")
            // As systemctl reload does it.
            try archive.changeViews({ _ in good }) {
                try archive.mustShell("kill -HUP \(#require(archive.daemon))")
            }
            let after = try listing(archive)
            let isOld = { (line: String) in line.contains(" f") }
            #expect(Set(after.filter(isOld)).isSuperset(of: before.filter(isOld)))
            try archive.expectArchived(archive.work + "/late")
            try archive.unmount()
            let rebuilt = try archive.pacsfs("rebuild")
            #expect(rebuilt.succeeded, "\(rebuilt.report)")
            try archive.mount()
            #expect(try listing(archive) == after)
            #expect(try archive.pacsfs("verify").code == 0)
        }
    }

    @Test("A mistake in pacsfs.toml is reported with line and column, and changes nothing")
    func mistake() throws {
        try MountedArchive.with { archive in
            let before = try archive.mustShell("ls \"$M\"").output
            let good = try Files.text(archive.archive + "/pacsfs.toml")
            try archive.configure { $0.replacing("{PatientID}", with: "{PatienID}") }
            let run = try archive.pacsfs("reload")
            let line = try archive.mustShell("grep -n ^by-patient ../archive/pacsfs.toml").output
            let number = line.prefix { $0 != ":" }
            #expect(
                run.code == 2
                    && run.errors.contains("/pacsfs.toml:\(number):31: The view \"by-patient\": "),
                "\(run.report)")
            #expect(
                run.errors.contains(
                    """
                    did you mean PatientID?\n    \
                    \(line.dropFirst(number.count + 1))\(String(repeating: " ", count: 34))^\n
                    """
                ), "\(run.report)")
            let early = try archive.pacsfs("mount", archive.work)
            #expect(
                early.code == 2 && early.errors.contains("pacsfs.toml:\(number):31: ")
                    && early.errors.hasSuffix("^\n"), "\(early.report)")
            let status = try archive.pacsfs("status")
            #expect(
                status.code == 1 && status.output.contains("did you mean PatientID?"),
                "\(status.report)")
            #expect(
                try Files.text(archive.archive + "/pacsfs.log").contains("was not taken into use"))
            #expect(try archive.mustShell("ls \"$M\"").output == before)
            try archive.configure { _ in good.replacing("copies = 2", with: "copies = 1") }
            let waiting = try archive.pacsfs("reload")
            #expect(
                waiting.code == 1
                    && waiting.output.contains("Needs a restart of the daemon: copies."),
                "\(waiting.report)")
            #expect(try archive.pacsfs("status").code == 0)
            try archive.unmount()
            let unmounted = try archive.pacsfs("reload")
            #expect(
                unmounted.code == 0 && unmounted.output.contains("not mounted"),
                "\(unmounted.report)")
        }
    }

    @Test("views lists the views, and tries a template on files, paths, UIDs and digests")
    func list() throws {
        try MountedArchive.with { archive in
            try archive.importSamples()
            try archive.writeImages()
            let image = try #require(try archive.image(Files.digest(archive.work + "/1.dcm")))
            let listed = try archive.listedViews()
            #expect(
                listed.map(\.name).sorted() == MountedArchive.views
                    && listed.allSatisfy { $0.state == "shown" })
            #expect(listed.first { $0.name == "by-patient" }?.folders == 2)
            let text = try archive.pacsfs("views")
            #expect(
                text.succeeded && text.output.contains("{AccessionNumber!}/{Series}"),
                "\(text.report)")

            let template =
                """
                {PatientSpeciesDescription}/{PatientName.given} \
                {OtherPatientIDs.microchip}/{StudyDate:yyyy}
                """
            let expected = "Canine/Rex 276098100123456/2025/00001.dcm"
            let whats = [
                "1.dcm", image.paths[0], image.sha256, image.attributes["SOPInstanceUID"] ?? "",
                image.attributes["SeriesInstanceUID"] ?? "",
            ]
            for what in whats {
                let run = try archive.pacsfs("views", "try", template, what)
                #expect(run.succeeded && run.lines.contains("    " + expected), "\(run.report)")
            }
            struct Trials: Decodable {
                struct Image: Decodable {
                    var image: String
                    var path: String?
                }
                var images: [Image]
            }
            let all = try archive.pacsfs(
                "views", "try", "--json", "{ViewPosition!}/{SOPInstanceUID}"
            ).json(Trials.self).images
            #expect(
                all.count == 5 && all.contains { $0.path == nil }
                    && all.allSatisfy { $0.image.hasPrefix("by-patient/") })

            let typo = try archive.pacsfs("views", "try", "{Modality}/{PatienName}")
            #expect(
                typo.code == 2
                    && typo.errors.hasSuffix("\n{Modality}/{PatienName}\n            ^\n"),
                "\(typo.report)")
            #expect(typo.errors.contains("did you mean PatientName?"))
            let none = try archive.pacsfs("views", "try", "{Modality}", "1.2.3.4")
            #expect(
                none.code == 2 && none.errors.contains("is not in the archive"),
                "\(none.report)")
            try archive.mustShell("echo text >text")
            let noImage = try archive.pacsfs("views", "try", "{Modality}", "text")
            #expect(
                noImage.code == 2 && noImage.errors.contains("text is not a DICOM image"),
                "\(noImage.report)")
        }
    }
}
