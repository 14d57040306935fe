import ArgumentParser
import Archive
import TagIndex

struct Restore: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Bring an archive back on a machine that has nothing of it.",
        discussion: """
            From a remote, a volume, or a folder that was fetched from an off-site copy by hand. \
            For a remote, type the numbered lines of the recovery sheet into a file and name it \
            with --sheet (or --sheet - to type them now), and the remote by its name on the \
            sheet; a mistyped line is named. One that is not encrypted can be named as rclone \
            does, without a sheet: b2:bucket/path. The new archive has the same paths and bytes, \
            and its ledger goes on where the old one ended. The ledger is read whole and its \
            chain of hashes verified before anything of it is believed; each image is compared \
            with its hash. The images of the newest \
            studies come first. As soon as images come, it can be interrupted with Ctrl-C and \
            the archive be mounted: the rest comes in the background then.

            After an interruption run the same command again: it goes on where it was. The old \
            archive must not be used any more, if there is still one.

            With --into some images, or all, go into a plain folder, without an archive.

            Exit code: 0 everything is back, 1 images are lacking or it was interrupted, 2 it \
            failed.

            Examples:
              pacsfs restore --from b2 --sheet sheet.txt --archive /var/lib/pacsfs \\
                  --volume /mnt/disk1/pacsfs --volume /mnt/disk2/pacsfs
              pacsfs restore --from /mnt/usb/pacsfs --archive /var/lib/pacsfs \\
                  --volume /mnt/disk1/pacsfs --volume /mnt/disk2/pacsfs
              pacsfs restore --from /mnt/usb/pacsfs --into ~/rex --patient 1001 --since 2025
            """)

    @Option(
        name: .long,
        help: ArgumentHelp(
            "A remote on the sheet, a volume, a folder that was fetched, or a remote of rclone.",
            valueName: "SOURCE"))
    var from: String?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "The recovery sheet, or what was typed of it; - for standard input.", valueName: "FILE")
    )
    var sheet: String?

    @OptionGroup var archive: ArchiveOption

    @Option(
        name: .long,
        help: ArgumentHelp(
            "A new directory for the images, on a disk of its own. Use it twice or more.",
            valueName: "DIR"))
    var volume: [String] = []

    @Option(name: .long, help: "How many copies of each image are kept, each on its own volume.")
    var copies: Int = 2

    @Option(
        name: .long,
        help: ArgumentHelp("A plain folder, instead of an archive.", valueName: "DIR"))
    var into: String?

    @Option(
        name: .long,
        help: ArgumentHelp("With --into: the study with this UID.", valueName: "UID"))
    var study: String?

    @Option(
        name: .long,
        help: ArgumentHelp("With --into: the patient with this PatientID.", valueName: "ID"))
    var patient: String?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "With --into: studies of this day (2025-03-14, 2025-03, 2025) and later.",
            valueName: "DATE"))
    var since: String?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "A head of the ledger that was noted; an older ledger is refused.",
            valueName: "HASH[:NUMBER]"))
    var head: String?

    @Flag(name: .long, help: "Print the summary as JSON.")
    var json = false

    func validate() throws {
        guard from != nil || sheet != nil else {
            throw ValidationError("Say where from: --from, or --sheet.")
        }
        let isPart = study != nil || patient != nil || since != nil
        if into == nil {
            guard !volume.isEmpty else {
                throw ValidationError(
                    "Name new directories for the images with --volume, or a plain folder with "
                        + "--into.")
            }
            guard !isPart else {
                throw ValidationError("--study, --patient and --since go with --into.")
            }
        } else if !volume.isEmpty {
            throw ValidationError("--volume does not go with --into.")
        }
        guard copies >= 1 else { throw ValidationError("--copies must be at least 1.") }
        if let since, since.wholeMatch(of: /\d{4}(-\d\d(-\d\d)?)?/) == nil {
            throw ValidationError("--since takes a date as 2025, 2025-03 or 2025-03-14.")
        }
        if let head, Verification.Head(head) == nil {
            throw ValidationError(
                """
                --head must be the 64 digits that "pacsfs status" prints; a colon and the number \
                of records may follow.
                """)
        }
    }

    func run() throws {
        try reporting {
            let progress = ProgressLine()
            defer { progress.end() }
            let interruption = Interruption()
            let report =
                try into.map { try restore(into: Paths.absolute($0), progress, interruption) }
                ?? restoreArchive(progress, interruption)
            progress.end()
            if json { try Output.json(report) } else { Output.lines(lines(report)) }
            if report.lacking > 0 || !report.isComplete { throw ExitStatus.attention.code }
        }
    }

    private func restoreArchive(
        _ progress: ProgressLine, _ interruption: Interruption
    ) throws -> RestoreReport {
        let path = archive.path
        let volumes = volume.map(Paths.absolute)
        if DaemonConnection.connect(archive: path) != nil {
            throw CommandError(
                .refused, "The archive \(path) is mounted",
                remedy: "What is left of the restore comes there by itself: pacsfs status")
        }
        try Paths.requireOutsideMounts([path] + volumes)
        let log = StandardErrorLog.logger(level: .critical)
        try Archive.beginRestore(
            RestoreRequest(
                archive: path, from: try RestorePlace(from, sheet).origin(), volumes: volumes,
                copies: copies,
                head: head.flatMap { Verification.Head($0) }),
            log: log, progress: { progress.show(.init($0)) })
        let archive = try Archive(at: path, log: log)
        defer { archive.close() }
        let images = ProgressLine()
        defer { images.end() }
        return try archive.restore(
            shouldStop: { interruption.answer.isYes }, progress: { images.show(.init($0)) })
    }

    private func restore(
        into folder: String, _ progress: ProgressLine, _ interruption: Interruption
    ) throws -> RestoreReport {
        try Paths.requireOutsideMounts([folder])
        return try PartialRestore(
            from: try RestorePlace(from, sheet).origin(), folder: folder,
            selection: RestoreSelection(study: study, patient: patient, since: since),
            head: head.flatMap { Verification.Head($0) }
        ).run(
            shouldStop: { interruption.answer.isYes }, preparing: { progress.show(.init($0)) },
            progress: { progress.show(.init($0)) })
    }

    private func lines(_ report: RestoreReport) -> [String] {
        var lines = [
            """
            Restored \(Output.count(report.restored, "image", "images")), \
            \(Output.bytes(report.bytes)), to \(report.directory) in \
            \(Output.duration(report.seconds)).
            """
        ]
        if report.present > 0 {
            lines.append(
                "\(Output.count(report.present, "image was", "images were")) there already.")
        }
        if report.rejected > 0 {
            lines.append(
                "\(Output.count(report.rejected, "rejected file is", "rejected files are")) back.")
        }
        if report.olderVersions > 0 {
            lines.append(
                """
                ATTENTION: \(Output.count(report.olderVersions, "image was", "images were")) \
                changed or deleted at the source; older versions are back, with the right bytes.
                """)
        }
        if report.lacking > 0 {
            lines.append("")
            lines.append(
                """
                \(Output.count(report.lacking, "image", "images")) could not be restored. To try \
                again, run the same command, perhaps with --from another volume:
                """)
            lines += report.examples.map { "  \($0)" }
            if Int64(report.examples.count) < report.lacking, let list = report.list {
                lines.append("  … all of them: \(list)")
            }
        }
        if !report.isComplete { lines.append("Interrupted: run the same command to go on.") }
        if let problem = report.copiesProblem { lines.append("Note: \(problem)") }
        if into == nil, report.isComplete {
            lines.append("Next: pacsfs mount MOUNTPOINT --archive \(report.directory)")
        }
        return lines
    }
}

extension TaskProgress {
    /// How far an archive is before images come.
    init(_ preparation: RestorePreparation) {
        switch preparation {
        case .ledger(let bytes, let total):
            self.init(items: "fetching the ledger", bytes: bytes, totalBytes: total)
        case .index(let progress): self.init(progress)
        }
    }

    /// How far a restore is.
    init(_ progress: RestoreProgress) {
        self.init(
            items: "\(progress.images) of \(progress.totalImages) images", bytes: progress.bytes,
            totalBytes: progress.totalBytes)
    }
}
