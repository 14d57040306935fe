import ArgumentParser
import Archive

struct Rebuild: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make the index anew from a volume.",
        discussion: """
            The index is a cache: a start makes it anew by itself when it is missing or damaged.
            Paths, inode numbers and times stay as they were. The archive must not be mounted.

            Example:
              pacsfs rebuild --archive /var/lib/pacsfs
            """)

    @OptionGroup var archive: ArchiveOption

    @Flag(name: .long, help: "Print the summary as JSON.")
    var json = false

    func run() throws {
        try reporting {
            let meter = RebuildMeter()
            defer { meter.end() }
            let summary = try Archive.rebuild(
                at: archive.existing, log: StandardErrorLog.logger(level: .critical), progress: meter.show)
            meter.end()
            if json { return try Output.json(summary) }
            print(
                "Made the index anew: \(Output.count(summary.images, "image", "images")) from \(Output.count(summary.records, "record", "records")) in \(Output.decimals(summary.seconds, 1)) s."
            )
        }
    }
}
