import ArgumentParser
import Archive

struct Rebuild: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make the index anew from a volume.",
        discussion: """
            The index is a cache: a mount makes it anew by itself when it is missing or damaged. \
            Paths, inode numbers and times stay as they were. The archive must not be mounted.

            When no volume has a ledger that can be read, --from-blobs reads all images and begins \
            a new ledger: every image is back, and paths differ at most where a suffix was added.

            Exit code: 0 everything is back, 1 blobs are damaged or were left out, 2 it failed.

            Example:
              pacsfs rebuild --archive /var/lib/pacsfs
            """)

    @OptionGroup var archive: ArchiveOption

    @Flag(name: .long, help: "Make the ledger anew as well, from the images alone.")
    var fromBlobs = false

    @Flag(name: .long, help: "Print the summary as JSON.")
    var json = false

    func run() throws {
        try reporting {
            let progress = ProgressLine()
            defer { progress.end() }
            let path = try archive.existing
            let summary = try Archive.rebuild(
                at: path, fromBlobs: fromBlobs, log: StandardErrorLog.logger(level: .critical),
                progress: { progress.show(.init($0)) })
            progress.end()
            if json { try Output.json(summary) } else { Output.lines(lines(summary)) }
            if summary.damagedCopies > 0 || !summary.leftOut.isEmpty {
                throw ExitStatus.attention.code
            }
        }
    }

    private func lines(_ summary: RebuildSummary) -> [String] {
        let images = Output.count(summary.images, "image", "images")
        let records = Output.count(summary.records, "record", "records")
        let seconds = Output.decimals(summary.seconds, 1)
        var lines = [
            fromBlobs
                ? "Made the ledger and the index anew: \(images), \(records), in \(seconds) s."
                : "Made the index anew: \(images) from \(records) in \(seconds) s."
        ]
        if summary.damagedCopies > 0 {
            lines.append(
                """
                \(Output.count(summary.damagedCopies, "copy is", "copies are")) damaged and still \
                in place. To heal them: pacsfs scrub
                """
            )
        }
        if !summary.leftOut.isEmpty {
            lines.append("Left out, because no copy is good or it is not an image:")
            lines += summary.leftOut.prefix(50).map { "  \($0)" }
            if summary.leftOut.count > 50 {
                lines.append("  … and \(summary.leftOut.count - 50) more; --json lists them all")
            }
        }
        return lines
    }
}

extension TaskProgress {
    /// How far a rebuild is.
    init(_ progress: RebuildProgress) {
        switch progress.step {
        case .ledger: self.init(items: "\(progress.records) records")
        case .blobs: self.init(items: "\(progress.records) images")
        case .indexes:
            self.init(items: "\(progress.records) records; sorting")
            return
        }
        (bytes, totalBytes) = (progress.bytes, progress.totalBytes)
    }
}
