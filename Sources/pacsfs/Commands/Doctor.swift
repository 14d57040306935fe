import ArgumentParser

struct Doctor: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Look for what is set up wrongly, and say what to do.",
        discussion: """
            Looks at this machine, the configuration, the disks, the mount and the services; a line \
            each. Nothing is changed. Whether the images are safe is told by «pacsfs status».

            Exit code: 0 all is well, 1 something wants attention, 2 there is a problem.

            Example:
              pacsfs doctor
            """)

    @OptionGroup var archive: ArchiveOption

    @Flag(name: .long, help: "Print JSON.")
    var json = false

    @Option(name: .long, help: .hidden)
    var patience = 10

    private struct Report: Encodable {
        var level: Finding.Level
        var findings: [Finding]
    }

    func run() throws {
        try reporting {
            var examination = Examination(archive.path, patience: patience)
            examination.run()
            if json {
                try Output.json(Report(level: examination.level, findings: examination.findings))
            } else {
                print(examination.text)
            }
            switch examination.level {
            case .ok: break
            case .attention: throw ExitStatus.attention.code
            case .problem: throw ExitStatus.failure.code
            }
        }
    }
}
