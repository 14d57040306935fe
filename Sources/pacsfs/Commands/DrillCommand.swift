import ArgumentParser
import Archive

struct DrillCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drill",
        abstract: "Prove that images can be restored, by restoring some from each source alone.",
        discussion: """
            From each volume and each remote in turn, as if nothing else were left: the ledger \
            first, its chain of hashes verified, then a sample of images: the newest, the oldest, \
            one of each modality and year, some by chance. What comes is hashed before it is \
            believed, and compared with the archive: bytes, attributes, paths. DCMTK decodes the \
            pixels, where it is installed. Everything that is listed at the source is compared \
            too. What came is removed again.

            The daemon does this by itself, once in the days that [drill] of pacsfs.toml says. \
            Reports are kept in ARCHIVE/drills, as text, page and JSON; the JSON is signed, and \
            the text says how anybody verifies that. They name no patient.

            Exit code: 0 all could be restored, 1 something did not fit, 2 it could not be tried.

            Examples:
              pacsfs drill
              pacsfs drill b2 --full      # restores everything; may cost money
              pacsfs drill /mnt/disk1/pacsfs
            """)

    @Argument(
        help: ArgumentHelp(
            "Remotes, and directories or numbers of volumes; all if none is named.",
            valueName: "SOURCE"))
    var sources: [String] = []

    @Flag(name: .long, help: "Restore everything, and not a sample.")
    var full = false

    @Flag(name: .long, help: "Print JSON.")
    var json = false

    @OptionGroup var archive: ArchiveOption

    func run() throws {
        try reporting {
            let path = try archive.existing
            let names = sources.map { $0.contains("/") ? Paths.volume($0) : $0 }
            let reports = try Self.drill(path, names, isFull: full)
            if json {
                try Output.json(DrillReportsDocument(reports: reports))
            } else {
                for (number, report) in reports.enumerated() {
                    if number > 0 { Output.line("") }
                    Output.lines(DrillDocument(report).lines)
                }
                if !reports.isEmpty { Output.lines(["", "The reports are in \(path)/drills."]) }
            }
            if reports.contains(where: { $0.result == .failed }) {
                throw ExitStatus.attention.code
            }
        }
    }

    /// By the daemon if one runs, else by this process.
    private static func drill(
        _ path: String, _ names: [String], isFull: Bool
    ) throws -> [DrillReport] {
        let line = ProgressLine()
        defer { line.end() }
        if let daemon = DaemonConnection.connect(archive: path) {
            return try daemon.drill(names, isFull: isFull) { line.show(.init($0)) }
        }
        let archive = try Archive(at: path, log: StandardErrorLog.logger(level: .critical))
        defer { archive.close() }
        let interruption = Interruption()
        let answer = interruption.answer
        return try withExtendedLifetime(interruption) {
            try archive.drill(
                names, isFull: isFull, shouldStop: { answer.isYes },
                progress: { line.show(.init($0)) })
        }
    }
}

extension TaskProgress {
    /// How far a drill is.
    init(_ progress: DrillProgress) {
        self.init(
            items: "\(progress.source): \(progress.images) of \(progress.totalImages) images",
            bytes: progress.bytes, totalBytes: progress.totalBytes)
    }
}
