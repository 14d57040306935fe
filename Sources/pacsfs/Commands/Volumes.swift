import ArgumentParser
import Archive

struct Volumes: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "volume",
        abstract: "The volumes that hold the images: list, add, retire, replace.",
        discussion: """
            Any number of volumes of any size. Each image is kept on as many of them as "copies" \
            in pacsfs.toml says, in different failure domains (--domain) where there are several. \
            Missing copies are made in the background; "pacsfs status" shows how far that is.

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
        commandName: "list", abstract: "List the volumes and how they are.",
        discussion: """
            Example:
              pacsfs volume list
            """)

    @OptionGroup var archive: ArchiveOption

    @Flag(name: .long, help: "Print JSON.")
    var json = false

    func run() throws {
        try reporting {
            let status = try Status.status(of: try archive.existing)
            if json {
                return try Output.json(
                    VolumeListDocument(volumes: status.volumes, removable: status.removable))
            }
            Output.lines(
                status.volumes.flatMap(StatusText.volume)
                    + status.removable.map(StatusText.removable))
        }
    }
}

struct VolumeAdd: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add", abstract: "Add a volume.",
        discussion: """
            A disk with the role "removable" is taken home, in turn with others. Whenever it is \
            plugged in it gets what it lacks; "pacsfs status" says when it may be removed. It does \
            not count as a copy, and nobody misses it while it is away.

            Examples:
              pacsfs volume add /mnt/disk3/pacsfs --domain cellar
              pacsfs volume add /media/usb/pacsfs --role removable
            """)

    @Argument(help: "A directory that is empty or not there yet, on a disk of its own.")
    var directory: String

    @Option(
        name: .long,
        help:
            """
            What fails together with it: a room, a machine. Copies of an image are kept in \
            different ones.
            """
    )
    var domain: String?

    @Option(name: .long, help: "What it is for.")
    var role: VolumeRole?

    @OptionGroup var archive: ArchiveOption

    func validate() throws {
        if role != nil, domain != nil {
            throw ValidationError("--domain is for volumes whose copies count.")
        }
    }

    func run() throws {
        if role == .removable {
            let request = VolumeRequest.addRemovable(path: Paths.absolute(directory))
            return try VolumeChanging.run(request, archive) { change in
                """
                \(change.path) gets all images whenever it is plugged in. "pacsfs status" says \
                when it is complete and may be removed.
                """
            }
        }
        let request = VolumeRequest.add(path: Paths.absolute(directory), domain: domain)
        try VolumeChanging.run(request, archive) { change in
            """
            \(change.path) is volume \(change.ordinal) now. New images go to the volumes with the \
            most room.
            """
        }
    }
}

/// What a volume is for, when it is no ordinary one.
enum VolumeRole: String, ExpressibleByArgument, CaseIterable {
    case removable
}

struct VolumeRetire: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "retire", abstract: "Empty a volume onto the others, and take it out.",
        discussion: """
            Its images are copied, not moved: they stay on it until you remove them. The disks of \
            a path with the role "removable" are given up; nothing on them is changed.

            Example:
              pacsfs volume retire /mnt/disk1/pacsfs
            """)

    @Argument(help: "The volume's directory or number.")
    var volume: String

    @OptionGroup var archive: ArchiveOption

    func run() throws {
        try VolumeChanging.run(.retire(Paths.volume(volume)), archive) { change in
            if change.isRemovable == true {
                return "The disks of \(change.path) get nothing any more. They keep what they have."
            }
            return """
                \(change.path) is being emptied: \
                \(Output.count(change.images, "image is", "images are")) copied to the others \
                where that is needed.
                """
        }
    }
}

struct VolumeReplace: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replace", abstract: "Put an empty directory in the place of a lost volume.",
        discussion: """
            All images that were on it are copied there from the others, and so are rejected \
            files. If the lost volume had a disk of its own, the directory must be on one too: a \
            directory on another disk is refused, because the new disk is probably not mounted.

            Examples:
              pacsfs volume replace /mnt/disk2/pacsfs    # the new disk is mounted there
              pacsfs volume replace /mnt/disk2/pacsfs /mnt/disk3/pacsfs
            """)

    @Argument(help: "The lost volume's directory or number.")
    var volume: String

    @Argument(help: "The new directory; without it, that of the lost volume.")
    var directory: String?

    @Flag(name: .long, help: "Go on although images had their only copy on it.")
    var acceptLoss = false

    @Flag(
        name: .long,
        help:
            """
            Go on although the lost volume had a disk of its own, and the new directory shares one.
            """
    )
    var acceptSharedDisk = false

    @OptionGroup var archive: ArchiveOption

    func run() throws {
        let request = VolumeRequest.replace(
            Paths.volume(volume), with: directory.map(Paths.absolute), acceptingLoss: acceptLoss,
            acceptingSharedDisk: acceptSharedDisk)
        try VolumeChanging.run(request, archive) { change in
            "\(change.path) is volume \(change.ordinal) now, in the place of the lost one."
        }
    }
}

/// Changes volumes: by the daemon if one runs, which goes on in the background; else here, until
/// everything is copied.
enum VolumeChanging {
    /// - Throws: `ExitCode`, after it has printed what went wrong.
    static func run(
        _ request: VolumeRequest, _ option: ArchiveOption, _ text: (VolumeChange) -> String
    ) throws {
        try reporting {
            let path = try option.existing
            if let daemon = DaemonConnection.connect(archive: path) {
                let change = try daemon.change(request)
                report(change, text(change), request, archive: path)
                if change.images > 0 {
                    Output.line(
                        """
                        \(Output.count(change.images, "image needs", "images need")) a copy; \
                        "pacsfs status" shows how far that is.
                        """
                    )
                }
                return
            }
            let archive = try Archive(at: path, log: StandardErrorLog.logger(level: .error))
            defer { archive.close() }
            let change = try request.perform(on: archive)
            report(change, text(change), request, archive: path)
            try copy(in: archive)
        }
    }

    private static func report(
        _ change: VolumeChange, _ text: String, _ request: VolumeRequest, archive: String
    ) {
        Output.line(text)
        if request.bringsDirectory { warnOfSharedDisk(change.path, archive: archive) }
        if let problem = change.copiesProblem { Output.line("Note: \(problem)") }
    }

    /// - Throws: `ExitCode` when not all copies could be made.
    private static func copy(in archive: Archive) throws {
        let done = try archive.makeMissingCopies()
        if done.copies > 0 {
            Output.line(
                "Made \(Output.count(done.copies, "copy", "copies")), \(Output.bytes(done.bytes)).")
        }
        if done.skipped > 0 {
            Output.error(
                """
                \(Output.count(done.skipped, "image", "images")) could not be copied; see "pacsfs \
                status".
                """
            )
            throw ExitStatus.attention.code
        }
    }

    /// A disk that was not mounted when its volume was made shows as a folder on another one.
    private static func warnOfSharedDisk(_ volume: String, archive: String) {
        var others = [archive]
        if let settings = try? Settings(file: ArchivePaths(archive).configuration) {
            others += settings.volumes.map(\.path)
        }
        for other in others where other != volume {
            guard let disk = sharedDisk([other, volume])?.disk else { continue }
            return Output.line(
                """
                WARNING: \(volume) is on the same disk as \(other) (\(disk)): if it fails, both \
                are lost. Is the new disk mounted? "pacsfs status" says what one failed disk \
                would cost.
                """
            )
        }
    }
}
