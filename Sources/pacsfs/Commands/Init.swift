import ArgumentParser
import Archive

struct Init: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make an archive and its volumes.",
        discussion: """
            With --from, an archive whose directory is lost is made anew from a volume that \
            survived: the same paths show the same images. Name further volumes of it, and empty \
            directories for new ones, with --volume. Exit code: 0 everything is back, 1 images are \
            on volumes that were not named, 2 it failed.

            Example:
              pacsfs init --volume /mnt/disk1/pacsfs --volume /mnt/disk2/pacsfs
              pacsfs init --from /mnt/disk2/pacsfs --volume /mnt/new/pacsfs
            """)

    @OptionGroup var archive: ArchiveOption

    @Option(
        name: .long,
        help: ArgumentHelp(
            "A directory for the images, on a disk of its own. Use it twice or more.",
            valueName: "DIR"))
    var volume: [String] = []

    @Option(name: .long, help: ArgumentHelp("A volume that survived.", valueName: "VOLUME"))
    var from: String?

    @Option(name: .long, help: "How many copies of each image are kept, each on its own volume.")
    var copies: Int = 2

    @Flag(name: .long, help: "With --from: print the summary as JSON.")
    var json = false

    func validate() throws {
        guard !volume.isEmpty || from != nil else {
            throw ValidationError("Name the volumes with --volume.")
        }
        guard copies >= 1 else { throw ValidationError("--copies must be at least 1.") }
    }

    func run() throws {
        try reporting {
            let path = archive.path
            try Paths.requireOutsideMounts(
                [path] + (volume + (from.map { [$0] } ?? [])).map(Paths.absolute))
            if let from { return try restore(path, from: Paths.absolute(from)) }
            let volumes = volume.map { place in
                let path = Paths.absolute(place)
                return Settings.VolumePlace(path: path, domain: path)
            }
            try Archive.create(at: path, volumes: volumes, copies: copies)
            Output.line(
                """
                Made the archive \(path), which keeps \(Output.count(copies, "copy", "copies")) of \
                each image on \(Output.count(volumes.count, "volume", "volumes")).
                """
            )
            if copies > 1, let (one, other, disk) = sharedDisk(volumes.map(\.path)) {
                Output.line(
                    """
                    NOT SAFE: \(one) and \(other) are on one disk (\(disk)): if it fails, \
                    everything is lost. That is fine for trying pacsfs; for images that matter \
                    they must be on two.
                    """
                )
            }
            Output.line("Next: pacsfs mount MOUNTPOINT --archive \(path)")
        }
    }

    private func restore(_ path: String, from survivor: String) throws {
        let progress = ProgressLine()
        defer { progress.end() }
        let summary = try Archive.create(
            at: path, from: survivor, others: volume.map(Paths.absolute), copies: copies,
            log: StandardErrorLog.logger(level: .critical), progress: { progress.show(.init($0)) })
        progress.end()
        if json { try Output.json(summary) } else { Output.lines(lines(summary)) }
        if summary.offlineOnly > 0 || summary.needsRebuildFromBlobs {
            throw ExitStatus.attention.code
        }
    }

    private func lines(_ summary: RestoreSummary) -> [String] {
        var lines = [
            summary.needsRebuildFromBlobs
                ? "Made the archive \(summary.archive), without an index yet."
                : """
                Made the archive \(summary.archive) anew: \
                \(Output.count(summary.images, "image", "images")).
                """
        ]
        for volume in summary.volumes {
            lines.append(
                """
                Volume \(volume.ordinal)   \(volume.path): \
                \(volume.isNew ? "new" : volume.state.rawValue)
                """
            )
        }
        if summary.volumes.contains(where: { $0.state == .absent }) {
            lines.append(
                """
                If an absent volume turns up elsewhere, correct its path in pacsfs.toml. If it is \
                lost: pacsfs volume replace NUMBER NEW
                """
            )
        }
        if summary.offlineOnly > 0 {
            lines.append("")
            lines.append(
                """
                \(Output.count(summary.offlineOnly, "image is", "images are")) on absent volumes \
                only, and cannot be read until one of those is back:
                """
            )
            lines += summary.examples.map { "  \($0)" }
            if Int64(summary.examples.count) < summary.offlineOnly, let list = summary.list {
                lines.append("  … all of them: \(list)")
            }
        }
        if let problem = summary.copiesProblem { lines.append("Note: \(problem)") }
        lines.append(
            summary.needsRebuildFromBlobs
                ? """
                No volume has a ledger that can be used. Next: pacsfs rebuild --from-blobs \
                --archive \(summary.archive)
                """
                : "Next: pacsfs mount MOUNTPOINT --archive \(summary.archive)")
        return lines
    }
}
