import ArgumentParser
import Archive

struct Init: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make an archive and its volumes.",
        discussion: """
            Example:
              pacsfs init --archive /var/lib/pacsfs --volume /mnt/disk1/pacsfs --volume /mnt/disk2/pacsfs
            """)

    @OptionGroup var archive: ArchiveOption

    @Option(
        name: .long,
        help: ArgumentHelp(
            "A directory for the images, on a disk of its own. Give it twice or more.", valueName: "DIR"))
    var volume: [String]

    @Option(name: .long, help: "On how many volumes each image is kept.")
    var copies: Int = 2

    func validate() throws {
        guard !volume.isEmpty else { throw ValidationError("Name the volumes with --volume.") }
        guard copies >= 1 else { throw ValidationError("--copies must be at least 1.") }
    }

    func run() throws {
        try reporting {
            let path = archive.path
            let volumes = volume.map { place in
                let path = Paths.absolute(place)
                return Settings.VolumePlace(path: path, domain: path)
            }
            try Archive.create(at: path, volumes: volumes, copies: copies)
            print("Made the archive \(path), which keeps \(Output.count(copies, "copy", "copies")) of each image on \(Output.count(volumes.count, "volume", "volumes")).")
            if copies > 1, let pair = sharedDevice(volumes.map(\.path)) {
                print("Note: \(pair.0) and \(pair.1) are on the same disk. That is fine for trying it out; to survive the loss of a disk they must be on two.")
            }
            print("Next: pacsfs mount MOUNTPOINT --archive \(path)")
        }
    }
}
