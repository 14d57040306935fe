import ArgumentParser

struct Doctor: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Look for mistakes in the set-up, and say what to do.",
        discussion: """
            Looks at this machine, the configuration, the disks, the mount and the services, and \
            prints a line for each. Nothing is changed. Whether the images are safe is a question \
            for "pacsfs status".

            Exit code: 0 all is well, 1 something wants attention, 2 there is a problem.

            Example:
              pacsfs doctor
            """)

    @OptionGroup var archive: ArchiveOption

    @Flag(name: .long, help: "Print JSON.")
    var json = false

    /// Seconds that a mount or a daemon may take to answer.
    @Option(name: .long, help: .hidden)
    var timeout = 10

    func run() throws {
        try reporting {
            var report = DoctorReport(archive.path, timeout: timeout)
            report.examine()
            if json {
                try Output.json(DoctorDocument(level: report.level, findings: report.findings))
            } else {
                Output.lines(report.lines)
            }
            switch report.level {
            case .ok: break
            case .attention: throw ExitStatus.attention.code
            case .problem: throw ExitStatus.failure.code
            }
        }
    }
}
