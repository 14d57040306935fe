import TestSupport
import Testing

/// Texts that strangers chose, on a terminal.
@Suite(
    "Hostile texts on a terminal", .serialized,
    .enabled(if: PacsfsProgram.canMount, PacsfsProgram.cannotMount))
struct TerminalTests {
    /// Every byte that could steer a terminal: controls except newline and tab, U+0080 to U+009F,
    /// and marks of the bidirectional algorithm.
    private func steering(_ run: ProgramRun) -> [String] {
        (run.output + run.errors).unicodeScalars.filter { scalar in
            switch scalar.value {
            case 0x0A, 0x09: false
            case 0..<0x20, 0x7F...0x9F, 0x202A...0x202E, 0x2066...0x2069, 0x2028, 0x2029: true
            default: false
            }
        }.map { $0.escaped(asASCII: true) }
    }

    @Test(
        "Names of patients, files, zip members and views cannot steer the terminal or forge lines",
        arguments: [true, false])
    func hostile(_ isMounted: Bool) throws {
        try MountedArchive.with(isMounted: isMounted) { archive in
            _ = try archive.writeSamples()
            // The patient's name keeps its length: Smith^Rex.
            try archive.python(
                #"""
                import glob, zipfile
                evil = 'evil\x1b[2J\x1b]0;pwned\x07\u009b31m\u202etxt\narchived\tforged'
                for path in glob.glob('samples/**/*', recursive=True):
                    if os.path.isfile(path):
                        data = open(path, 'rb').read()
                        open(path, 'wb').write(data.replace(b'Smith^Rex', b'S\x1b[2J^Rex'))
                open('samples/' + evil, 'w').write('no image')
                with zipfile.ZipFile('samples/some.zip', 'w') as zip:
                    zip.writestr(evil.replace('/', ''), 'no image either')
                """#)
            let verbose = try archive.pacsfs("import", "--verbose", "samples")
            #expect(verbose.lines.count { $0.hasPrefix("rejected\t") } == 2, "\(verbose.report)")
            #expect(!verbose.lines.contains { $0.hasPrefix("archived\tforged") })
            #expect(verbose.output.contains(#"evil\u{1B}[2J"#), "\(verbose.report)")
            let found = try archive.pacsfs("find", "2026", "ct")
            #expect(found.code == 0 && found.output.contains(#"S\u{1B}[2J^Rex"#), "\(found.report)")
            let uid = try #require(
                try archive.pacsfs("find", "--json", "2026", "ct").json(FoundStudies.self).studies
                    .first?.attributes["StudyInstanceUID"])
            try archive.configure {
                $0.replacing("[views]", with: "[views]\n\"\\u001b[31m\" = \"x\"")
            }
            let runs = [
                verbose, found, try archive.pacsfs("show", uid),
                try archive.pacsfs("import", "--json", "--verbose", "samples"),
                try archive.pacsfs("find", "--json", "2026"),
                try archive.pacsfs("show", "--json", uid), try archive.pacsfs("reload"),
                try archive.pacsfs("status"), try archive.pacsfs("doctor"),
                try archive.pacsfs("import", "no\u{1B}[31mwhere"),
                try archive.pacsfs("show", "no\u{1B}[31mwhere"),
            ]
            for run in runs { #expect(steering(run).isEmpty, "\(steering(run)) in \(run.report)") }
        }
    }
}
