import ArgumentParser
import Archive
import Foundation
import Storage

struct Verify: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Prove that nothing was lost or changed.",
        discussion: """
            Reads the ledgers and every image of all volumes, and compares: each record with the \
            one before by its hash, the ledgers with each other and with the index, each image \
            with its name and its record. Writes nothing. The archive may be mounted meanwhile, \
            or be in a state in which it cannot be.

            «pacsfs status» prints the ledger's head. Written down or mailed now, and given with \
            --head later, it proves that no record before it was changed, even by somebody who \
            could write to all volumes.

            Exit code: 0 all fits, 1 something wants attention (a crash left an unfinished line, \
            a volume is away, a file does not belong here), 2 something does not fit.

            Examples:
              pacsfs verify
              pacsfs verify --head 1f3a…:1204 /mnt/disk1/pacsfs
            """)

    @Argument(
        help: ArgumentHelp(
            "Volumes to look at; all of the archive when none is named.", valueName: "VOLUME"))
    var volumes: [String] = []

    @OptionGroup var archive: ArchiveOption

    @Option(
        name: .long,
        help: ArgumentHelp(
            "A head that was noted before, with the number of its record.",
            valueName: "HASH[:NUMBER]"))
    var head: String?

    @Flag(name: .long, help: "Print JSON.")
    var json = false

    func validate() throws {
        if let head, Verification.Head(head) == nil {
            throw ValidationError(
                "--head must be the 64 digits that «pacsfs status» prints, and after a colon the number of records if you like."
            )
        }
    }

    func run() throws {
        try reporting {
            // Volumes can be looked at without an archive.
            let path = volumes.isEmpty ? try archive.existing : archive.path
            let progress = ProgressLine()
            let verification = try Verification(
                archive: path, volumes: volumes.map(Paths.absolute),
                head: head.flatMap { Verification.Head($0) }, options: .init(threads: Self.threads),
                progress: { progress.show($0) })
            let found = try verification.run()
            progress.end()
            guard let report = found else { throw ExitStatus.failure.code }
            if json { try Output.json(report) } else { print(Self.text(report)) }
            if report.faults > 0 { throw ExitStatus.failure.code }
            if report.attentions > 0 { throw ExitStatus.attention.code }
        }
    }

    /// One more than there are cores: while one waits for the disk, another hashes.
    static var threads: Int { min(16, ProcessInfo.processInfo.activeProcessorCount + 2) }

    private final class ProgressLine {
        private var line = ReadProgress()
        func show(_ progress: Verification.Progress) {
            line.show(files: progress.files, bytes: progress.bytes, of: progress.totalBytes)
        }
        func end() { line.end() }
    }

    private static func text(_ report: VerificationReport) -> String {
        var lines: [String] = []
        if report.faults > 0 {
            lines.append(
                "DOES NOT FIT: \(Output.count(report.faults, "thing", "things")) changed or damaged."
            )
        } else if report.attentions > 0 {
            lines.append(
                "ATTENTION: nothing was changed or lost, as far as can be told; \(Output.count(report.attentions, "thing wants", "things want")) a look."
            )
        } else {
            lines.append("All fits: nothing was changed or lost.")
        }
        if report.noted_head_found == true { lines.append("The noted head is in the chain.") }
        lines.append("")
        for volume in report.volumes {
            lines.append(
                "Volume \(volume.ordinal.map(String.init) ?? "?")   \(volume.path): \(Output.count(volume.records, "record", "records")), \(Output.count(volume.good_blobs, "good image", "good images")), \(Output.bytes(volume.good_bytes))"
            )
        }
        lines.append(
            "Ledger     \(Output.count(report.records, "record", "records")), head \(report.head)")
        for severity in [VerificationReport.Finding.Severity.fault, .attention] {
            let findings = report.findings.filter { $0.severity == severity }
            if findings.isEmpty { continue }
            lines += ["", severity == .fault ? "Does not fit:" : "Wants a look:"]
            for finding in findings.prefix(50) { lines += Self.lines(finding) }
            let more =
                (severity == .fault ? report.faults : report.attentions) - min(50, findings.count)
            if more > 0 { lines.append("  … and \(more) more; --json lists up to 10,000") }
        }
        return lines.joined(separator: "\n")
    }

    private static func lines(_ finding: VerificationReport.Finding) -> [String] {
        var place = finding.file ?? finding.volume ?? ""
        if let line = finding.line { place += ", line \(line)" }
        if let record = finding.record { place += ", record \(record)" }
        return ["  \(place)", "      \(finding.reason)"]
    }
}
