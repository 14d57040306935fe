import ArgumentParser

struct Receive: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Receive images from DICOM senders, into the mounted archive.",
        discussion: """
            Runs until it is stopped, and logs who sent how many images. A sender gets the answer \
            that an image is stored when it is archived, with as many copies as are wanted; \
            otherwise the answer is that it failed. It uses storescp of DCMTK (apt-get install \
            dcmtk).

            A modality needs to know three things: this machine's address, the port, and the \
            AE title. Everybody who reaches the port can send: keep it inside the practice.

            Example:
              pacsfs receive --port 11112 --aet ARCHIVE
              storescu -aec ARCHIVE localhost 11112 image.dcm
            """)

    @OptionGroup var archive: ArchiveOption

    @Option(
        name: .long,
        help: ArgumentHelp("TCP port to listen on; 0 takes any free one.", valueName: "N"))
    var port: UInt16 = 11112

    @Option(
        name: .long,
        help: ArgumentHelp(
            "The AE title that senders call; others are answered too.", valueName: "NAME"))
    var aet = "PACSFS"

    @Option(
        name: .long,
        help: ArgumentHelp("Listen on this address only, instead of on all.", valueName: "ADDRESS"))
    var bind: String?

    /// Associations at the same time.
    @Option(name: .long, help: .hidden)
    var places = 64

    /// Seconds that an association may be silent when places are short.
    @Option(name: .long, help: .hidden)
    var patience: Double = 60

    func validate() throws {
        if places < 2 || patience < 0 {
            throw ValidationError("--places is at least 2, and --patience at least 0.")
        }
        // PS3.5 section 6.2: AE.
        let isTitle =
            (1...16).contains(aet.utf8.count) && aet.utf8.allSatisfy { (0x20...0x7E).contains($0) }
            && !aet.contains("\\") && aet.contains { $0 != " " }
        if !isTitle {
            throw ValidationError(
                "--aet must be 1 to 16 ASCII letters, digits or signs, without a backslash.")
        }
    }

    func run() throws {
        try reporting {
            let path = try archive.existing
            guard StorageProvider.isInstalled else {
                throw CommandError(
                    .missingProgram,
                    "The program storescp, which speaks DICOM with the senders, is missing",
                    remedy: "Install it with: apt-get install dcmtk")
            }
            guard let mountpoint = Paths.mountpoint(of: path) else {
                throw CommandError(
                    .notFound, "The archive \(path) is not mounted",
                    remedy: "Mount it first: pacsfs mount DIR --archive \(path)")
            }
            let log = StandardErrorLog.logger()
            let receiver = try Receiver(
                archive: path, aeTitle: aet, address: bind, port: port,
                places: AssociationPlaces(
                    total: places, patience: .init(idle: Int64(patience * 1_000_000_000))),
                log: log)
            log.notice("\(aet) receives on port \(receiver.port), into \(mountpoint).")
            withExtendedLifetime(Interruption { receiver.stop() }) { receiver.run() }
            log.notice("\(aet) has stopped receiving.")
        }
    }
}
