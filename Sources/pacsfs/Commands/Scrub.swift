import ArgumentParser
import Archive
import Foundation

struct Scrub: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Read every copy of every image now, and heal what is bad.",
        discussion: """
            The daemon does this by itself, spread over the days that pacsfs.toml says. This does \
            it at once, whether the archive is mounted or not. Ctrl-C ends it; the next scrub goes \
            on where it stopped. What is missing or damaged is made anew from a good copy; damaged \
            bytes are kept in rejected/bad-blobs of their volume.

            Exit code: 0 all is good, 1 something was healed or wants attention, 2 an image could \
            not be healed.

            Examples:
              pacsfs scrub
              pacsfs scrub --rate 20M /mnt/disk1/pacsfs
            """)

    @Argument(
        help: ArgumentHelp(
            "Paths or numbers of volumes; all when none is named.", valueName: "VOLUME"))
    var volumes: [String] = []

    @OptionGroup var archive: ArchiveOption

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Bytes a second to read at most, such as 20M; 0 for no limit.", valueName: "RATE"))
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
            let names = volumes.map { Int($0) == nil ? Paths.absolute($0) : $0 }
            let rate = rate.flatMap(Settings.rate).flatMap { $0 == 0 ? nil : $0 }
            let report = try Self.scrub(try archive.existing, names, rate)
            if json { try Output.json(report) } else { print(Self.text(report)) }
            if !report.unhealed.isEmpty { throw ExitStatus.failure.code }
            if report.bad > 0 || report.strayCount > 0 || !report.isComplete {
                throw ExitStatus.attention.code
            }
        }
    }

    /// By the daemon when one runs, else by this process.
    private static func scrub(_ path: String, _ names: [String], _ rate: Int64?) throws
        -> ScrubReport
    {
        var line = ReadProgress()
        defer { line.end() }
        func show(_ progress: ScrubProgress) {
            line.show(files: progress.files, bytes: progress.bytes, of: progress.totalBytes)
        }
        guard let connection = ControlConnection.connect(archive: path) else {
            let archive = try Archive(at: path, log: StandardErrorLog.logger(level: .critical))
            defer { archive.close() }
            let interruption = Interruption()
            let answer = interruption.answer
            return try withExtendedLifetime(interruption) {
                try archive.scrub(names, rate: rate, shouldStop: { answer.isYes }, progress: show)
            }
        }
        try connection.send(ControlRequest.scrub(volumes: names, rate: rate))
        while let response = try connection.receive(ControlResponse.self) {
            switch response {
            case .scrubbing(let progress): show(progress)
            case .scrubbed(let report): return report
            case .failed(let reason): throw ArchiveError(.storage, reason)
            default:
                throw ArchiveError(
                    .storage, "The daemon answered something else. Is it another version of pacsfs?"
                )
            }
        }
        throw ArchiveError(
            .shuttingDown,
            "The daemon has ended meanwhile. Run the command again; it goes on where it stopped.")
    }

    private static func text(_ report: ScrubReport) -> String {
        var lines: [String] = []
        if !report.lost.isEmpty {
            lines.append(
                "DATA LOST: \(Output.count(report.lost.count, "image has", "images have")) no good copy any more."
            )
        } else if !report.unhealed.isEmpty {
            lines.append(
                "NOT HEALED: \(Output.count(report.unhealed.count, "image", "images")) could not be healed everywhere; a good copy is on another volume."
            )
        } else if report.bad > 0 {
            lines.append(
                "HEALED: \(Output.count(report.bad, "copy was", "copies were")) bad and \(report.bad == 1 ? "is" : "are") good again."
            )
        } else if !report.isComplete {
            lines.append("NOT COMPLETE: what was read is good.")
        } else if report.strayCount > 0 {
            lines.append(
                "ATTENTION: all copies are good, and \(Output.count(report.strayCount, "file does", "files do")) not belong here."
            )
        } else {
            lines.append("All copies are good.")
        }
        lines.append("")
        for volume in report.volumes {
            var line =
                "Volume \(volume.ordinal)   \(volume.path): \(Output.count(volume.files, "image", "images")) read, \(Output.bytes(volume.bytes))"
            if volume.bad > 0 { line += ", \(volume.bad) bad, \(volume.healed) healed" }
            if volume.adopted > 0 { line += ", \(volume.adopted) found that no record told of" }
            lines.append(line)
            if let problem = volume.problem { lines.append("           \(problem)") }
        }
        list("Without any good copy:", report.lost, report.lost.count, into: &lines)
        let others = report.unhealed.filter { !report.lost.contains($0) }
        list("Not healed:", others, others.count, into: &lines)
        list(
            "Not of the archive:", report.strays.map { "\($0.file)\n      \($0.reason)" },
            report.strayCount, into: &lines)
        return lines.joined(separator: "\n")
    }

    private static func list(
        _ title: String, _ items: [String], _ count: Int, into lines: inout [String]
    ) {
        guard count > 0 else { return }
        lines += ["", title] + items.prefix(50).map { "  " + $0 }
        if count > 50 { lines.append("  … and \(count - 50) more; --json lists them") }
    }
}
