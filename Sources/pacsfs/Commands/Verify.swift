import ArgumentParser
import Archive
import Foundation

struct Verify: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Prove that nothing was lost or changed.",
        discussion: """
            Reads the ledgers and every image of all volumes, and compares: each record with the \
            one before by its hash, the ledgers with each other and with the index, each image \
            with its name and its record. Writes nothing to the volumes. The archive may be \
            mounted meanwhile, or be in a state in which it cannot be mounted.

            "pacsfs status" prints the ledger's head. Write it down or mail it now, and name it \
            with --head later: that proves that no record before it was changed, even by somebody \
            who could write to all volumes.

            Exit code: 0 everything fits, 1 something wants attention (a crash left an unfinished \
            line, a volume is absent, a file does not belong here), 2 something does not fit, \
            or was written by a newer pacsfs and cannot be checked.

            Examples:
              pacsfs verify
              pacsfs verify --head 1f3a…:1204 /mnt/disk1/pacsfs
            """)

    @Argument(
        help: ArgumentHelp(
            "Volumes to look at; all of the archive if none is named.", valueName: "VOLUME"))
    var volumes: [String] = []

    @OptionGroup var archive: ArchiveOption

    @Option(
        name: .long,
        help: ArgumentHelp(
            "A head that was noted earlier, with the number of its record.",
            valueName: "HASH[:NUMBER]"))
    var head: String?

    @Flag(name: .long, help: "Print JSON.")
    var json = false

    func validate() throws {
        if let head, Verification.Head(head) == nil {
            throw ValidationError(
                """
                --head must be the 64 digits that "pacsfs status" prints; a colon and the number \
                of records may follow.
                """
            )
        }
    }

    func run() throws {
        try reporting {
            // Volumes can be looked at without an archive.
            let path = volumes.isEmpty ? try archive.existing : archive.path
            let line = ProgressLine()
            defer { line.end() }
            let verification = try Verification(
                archive: path, isAssumed: archive.isAssumed, volumes: volumes.map(Paths.absolute),
                head: head.flatMap { Verification.Head($0) }, options: .init(threads: Self.threads),
                progress: { line.show(.init($0)) })
            let found = try verification.run()
            line.end()
            guard let report = found else { throw ExitStatus.failure.code }
            if volumes.isEmpty { VerificationNote(report, at: .now()).keep(in: path) }
            if json { try Output.json(report) } else { Output.lines(Self.lines(report)) }
            if report.faults > 0 || report.newer > 0 { throw ExitStatus.failure.code }
            if report.attentions > 0 { throw ExitStatus.attention.code }
        }
    }

    /// Two more than there are cores: while some wait for the disk, others hash.
    static var threads: Int { min(16, ProcessInfo.processInfo.activeProcessorCount + 2) }

    private static func lines(_ report: VerificationReport) -> [String] {
        var lines = [headline(report)]
        if report.notedHeadFound == true { lines.append("The noted head is in the chain.") }
        lines.append("")
        for volume in report.volumes {
            lines.append(
                """
                Volume \(volume.ordinal.map(String.init) ?? "?")   \(volume.path): \
                \(Output.count(volume.records, "record", "records")), \
                \(Output.count(volume.goodBlobs, "good image", "good images")), \
                \(Output.bytes(volume.goodBytes))
                """
            )
        }
        lines.append(
            "Ledger     \(Output.count(report.records, "record", "records")), head \(report.head)")
        let faults = report.findings.filter { $0.severity == .fault }
        lines += list("Does not fit:", faults, report.faults)
        let attentions = report.findings.filter { $0.severity == .attention }
        lines += list(
            "Written by a newer pacsfs:", report.findings.filter { $0.severity == .newer },
            report.newer)
        lines += list("Wants attention:", attentions, report.attentions)
        return lines
    }

    private static func headline(_ report: VerificationReport) -> String {
        if report.faults > 0 {
            return
                """
                DOES NOT FIT: \(Output.count(report.faults, "thing was", "things were")) changed \
                or damaged.
                """
        }
        if report.newer > 0 {
            return
                """
                NOT CHECKED: a newer pacsfs wrote what this one does not know. Update pacsfs, and \
                verify again.
                """
        }
        if report.attentions > 0 {
            return
                """
                ATTENTION: as far as can be seen nothing was changed or lost; \
                \(Output.count(report.attentions, "thing wants", "things want")) attention.
                """
        }
        return "Everything fits: nothing was changed or lost."
    }

    /// - Parameter count: How many there are, listed or not.
    private static func list(
        _ title: String, _ findings: [VerificationReport.Finding], _ count: Int
    ) -> [String] {
        guard !findings.isEmpty else { return [] }
        var lines = ["", title]
        for finding in findings.prefix(50) {
            var place = finding.file ?? finding.volume ?? ""
            if let line = finding.line { place += ", line \(line)" }
            if let record = finding.record { place += ", record \(record)" }
            lines += ["  \(place)", "      \(finding.reason)"]
        }
        let more = count - min(50, findings.count)
        if more > 0 { lines.append("  … and \(more) more; --json lists up to 10,000") }
        return lines
    }
}

extension TaskProgress {
    /// How far a verification is.
    init(_ progress: Verification.Progress) {
        self.init(
            items: "\(progress.files) images", bytes: progress.bytes,
            totalBytes: progress.totalBytes)
    }
}
