import ArgumentParser
import Archive
import Foundation

struct Volumes: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "volume",
        abstract: "The volumes that hold the images: list, add, retire, replace.",
        discussion: """
            Any number of volumes of any size. Each image is kept on as many of them as «copies» \
            in pacsfs.toml says, in different failure domains (--domain) where there are several. \
            What must be copied is copied in the background; «pacsfs status» shows how far it is.

            Examples:
              pacsfs volume list
              pacsfs volume add /mnt/disk3/pacsfs --domain cellar
              pacsfs volume replace /mnt/disk2/pacsfs
            """,
        subcommands: [VolumeList.self, VolumeAdd.self, VolumeRetire.self, VolumeReplace.self],
        defaultSubcommand: VolumeList.self)
}

struct VolumeList: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "The volumes and how they are.",
        discussion: """
            Example:
              pacsfs volume list
            """)

    @OptionGroup var archive: ArchiveOption

    @Flag(name: .long, help: "Print JSON.")
    var json = false

    func run() throws {
        try reporting {
            let volumes = try Status.status(of: try archive.existing).volumes
            if json { return try Output.json(volumes) }
            print(volumes.flatMap(VolumeText.lines).joined(separator: "\n"))
        }
    }
}

struct VolumeAdd: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add", abstract: "Add a volume.",
        discussion: """
            Example:
              pacsfs volume add /mnt/disk3/pacsfs --domain cellar
            """)

    @Argument(help: "A directory that is empty or not there yet, on a disk of its own.")
    var directory: String

    @Option(
        name: .long,
        help:
            "What fails together with it: a room, a machine. Copies of an image are kept in different ones."
    )
    var domain: String?

    @OptionGroup var archive: ArchiveOption

    func run() throws {
        try VolumeRequest.run(archive, .addVolume(path: Paths.absolute(directory), domain: domain))
        { change in
            "\(change.path) is volume \(change.ordinal) now. New images go to the volumes with most room."
        }
    }
}

struct VolumeRetire: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "retire", abstract: "Empty a volume onto the others, and take it out.",
        discussion: """
            Its images are copied, not moved: what lies on it stays until you remove it.

            Example:
              pacsfs volume retire /mnt/disk1/pacsfs
            """)

    @Argument(help: "The volume's directory or number.")
    var volume: String

    @OptionGroup var archive: ArchiveOption

    func run() throws {
        try VolumeRequest.run(archive, .retireVolume(VolumeRequest.name(volume))) { change in
            "\(change.path) is being emptied: \(Output.count(change.images, "image is", "images are")) copied to the others where that is needed."
        }
    }
}

struct VolumeReplace: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replace", abstract: "Put an empty directory in the place of a lost volume.",
        discussion: """
            All images that were on it are copied there from the others.

            Examples:
              pacsfs volume replace /mnt/disk2/pacsfs    # the new disk is mounted there
              pacsfs volume replace /mnt/disk2/pacsfs /mnt/disk3/pacsfs
            """)

    @Argument(help: "The lost volume's directory or number.")
    var volume: String

    @Argument(help: "The new directory; without it, the same as the old one's.")
    var directory: String?

    @Flag(name: .long, help: "Go on although images had their only copy on it.")
    var acceptLoss = false

    @OptionGroup var archive: ArchiveOption

    func run() throws {
        let request = ControlRequest.replaceVolume(
            VolumeRequest.name(volume), with: directory.map(Paths.absolute),
            acceptingLoss: acceptLoss)
        try VolumeRequest.run(archive, request) { change in
            "\(change.path) is a new volume now, number \(change.ordinal), in the place of the one that is lost."
        }
    }
}

/// Changes volumes: in the daemon when one runs, which goes on in the background; else here,
/// until all is copied.
enum VolumeRequest {
    /// A number, or a path as the archive knows it.
    static func name(_ text: String) -> String { Int(text) == nil ? Paths.absolute(text) : text }

    /// A disk that was not mounted when its volume was made shows as a folder on another one.
    private static func warnOfSharedDisk(_ volume: String, archive: String) {
        var others = [archive]
        if let settings = try? Settings(file: archive + "/pacsfs.toml") {
            others += settings.volumes.map(\.path)
        }
        for other in others where other != volume {
            guard sharedDevice([other, volume]) != nil else { continue }
            return print(
                "Note: \(volume) is on the same disk as \(other). To survive the loss of a disk, it must be on another: is the new one mounted?"
            )
        }
    }

    static func run(
        _ option: ArchiveOption, _ request: ControlRequest, _ text: (VolumeChange) -> String
    ) throws {
        try reporting {
            let path = try option.existing
            if let connection = ControlConnection.connect(archive: path) {
                switch try connection.ask(request) {
                case .volume(let change):
                    print(text(change))
                    if request.bringsDirectory { warnOfSharedDisk(change.path, archive: path) }
                    if let problem = change.copiesProblem { print("Note: \(problem)") }
                    if change.images > 0 {
                        print(
                            "\(Output.count(change.images, "image needs", "images need")) a copy; pacsfs status shows how far that is."
                        )
                    }
                case .failed(let reason): throw ArchiveError(.configuration, reason)
                default: break
                }
                return
            }
            let archive = try Archive(at: path, log: StandardErrorLog.logger(level: .error))
            defer { archive.close() }
            let change: VolumeChange
            switch request {
            case .addVolume(let path, let domain):
                change = try archive.addVolume(at: path, domain: domain)
            case .retireVolume(let name): change = try archive.retireVolume(name)
            case .replaceVolume(let name, let path, let loss):
                change = try archive.replaceVolume(name, with: path, acceptingLoss: loss)
            default: return
            }
            print(text(change))
            if request.bringsDirectory { warnOfSharedDisk(change.path, archive: path) }
            if let problem = change.copiesProblem { print("Note: \(problem)") }
            let done = try archive.makeMissingCopies()
            if done.copies > 0 {
                print(
                    "Made \(Output.count(done.copies, "copy", "copies")), \(Output.bytes(done.bytes))."
                )
            }
            if done.skipped > 0 {
                Output.error(
                    "\(Output.count(done.skipped, "image", "images")) could not be copied; see pacsfs status."
                )
                throw ExitStatus.attention.code
            }
        }
    }
}
