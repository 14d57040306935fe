import ArgumentParser
import Archive

struct Scrub: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Read every copy of every image now, and heal what is bad.",
        discussion: """
            The daemon does this by itself, spread over the days that pacsfs.toml says. This \
            command does it at once, whether the archive is mounted or not. Ctrl-C ends it; the \
            next scrub goes on where it stopped. A copy that is missing or damaged is made anew \
            from a good one; damaged bytes are kept in rejected/bad-blobs of their volume.

            Exit code: 0 all copies are good, 1 something was healed or wants attention, 2 an \
            image could not be healed.

            Examples:
              pacsfs scrub
              pacsfs scrub --rate 20M /mnt/disk1/pacsfs
            """)

    @Argument(
        help: ArgumentHelp(
            "Directories or numbers of volumes; all if none is named.", valueName: "VOLUME"))
    var volumes: [String] = []

    @OptionGroup var archive: ArchiveOption

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Read at most so many bytes a second, such as 20M; 0 for no limit.", valueName: "RATE"))
    var rate: String?

    @Flag(name: .long, help: "Print JSON.")
    var json = false

    func validate() throws {
        if let rate, Settings.rate(rate) == nil {
            throw ValidationError("--rate must be bytes a second, such as 20M or 500k.")
        }
    }

    func run() throws {
        try reporting {
            let names = volumes.map(Paths.volume)
            let rate = rate.flatMap(Settings.rate).flatMap { $0 == 0 ? nil : $0 }
            let report = try Self.scrub(try archive.existing, names, rate)
            if json { try Output.json(report) } else { Output.lines(Self.lines(report)) }
            if !report.unhealed.isEmpty { throw ExitStatus.failure.code }
            if report.bad > 0 || report.strayCount > 0 || !report.isComplete {
                throw ExitStatus.attention.code
            }
        }
    }

    /// By the daemon if one runs, else by this process.
    private static func scrub(_ path: String, _ names: [String], _ rate: Int64?) throws
        -> ScrubReport
    {
        let line = ProgressLine()
        defer { line.end() }
        if let daemon = DaemonConnection.connect(archive: path) {
            return try daemon.scrub(names, rate: rate) { line.show(.init($0)) }
        }
        let archive = try Archive(at: path, log: StandardErrorLog.logger(level: .critical))
        defer { archive.close() }
        let interruption = Interruption()
        let answer = interruption.answer
        return try withExtendedLifetime(interruption) {
            try archive.scrub(
                names, rate: rate, shouldStop: { answer.isYes }, progress: { line.show(.init($0)) })
        }
    }

    private static func lines(_ report: ScrubReport) -> [String] {
        var lines = [headline(report), ""]
        for volume in report.volumes {
            var line =
                """
                Volume \(volume.ordinal)   \(volume.path): \
                \(Output.count(volume.files, "image", "images")) read, \
                \(Output.bytes(volume.bytes))
                """
            if volume.bad > 0 { line += ", \(volume.bad) bad, \(volume.healed) healed" }
            if volume.adopted > 0 { line += ", \(volume.adopted) had no record, and have one now" }
            lines.append(line)
            if let problem = volume.problem { lines.append("           \(problem)") }
        }
        let lost = report.lost.map { [$0] }
        lines += list("Without any good copy:", lost, lost.count)
        let others = report.unhealed.filter { !report.lost.contains($0) }.map { [$0] }
        lines += list("Not healed:", others, others.count)
        lines += list(
            "Not part of the archive:", report.strays.map { [$0.file, "    " + $0.reason] },
            report.strayCount)
        return lines
    }

    private static func headline(_ report: ScrubReport) -> String {
        if !report.lost.isEmpty {
            return
                """
                DATA LOST: \(Output.count(report.lost.count, "image has", "images have")) no good \
                copy any more.
                """
        }
        if !report.unhealed.isEmpty {
            return
                """
                NOT HEALED: \(Output.count(report.unhealed.count, "image", "images")) could not be \
                healed everywhere; a good copy is on another volume.
                """
        }
        if report.bad > 0 {
            return
                """
                HEALED: \(Output.count(report.bad, "copy was", "copies were")) bad and \
                \(report.bad == 1 ? "is" : "are") good again.
                """
        }
        if !report.isComplete { return "NOT COMPLETE: all that was read is good." }
        if report.strayCount > 0 {
            return
                """
                ATTENTION: all copies are good, and \
                \(Output.count(report.strayCount, "file does", "files do")) not belong here.
                """
        }
        return "All copies are good."
    }

    /// - Parameters:
    ///   - items: The lines of each item.
    ///   - count: How many there are, listed or not.
    private static func list(_ title: String, _ items: [[String]], _ count: Int) -> [String] {
        guard count > 0 else { return [] }
        var lines = ["", title] + items.prefix(50).flatMap(\.self).map { "  " + $0 }
        if count > 50 { lines.append("  … and \(count - 50) more; --json lists them") }
        return lines
    }
}

extension TaskProgress {
    /// How far a scrub is.
    init(_ progress: ScrubProgress) {
        self.init(
            items: "\(progress.files) images", bytes: progress.bytes,
            totalBytes: progress.totalBytes)
    }
}
