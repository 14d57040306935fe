import Archive
import CFuse3
import Glibc
import Logging
import System

/// A mounted archive: from the mount until the last request is answered.
public final class Session: Sendable {
    /// libfuse's session.
    ///
    /// @unchecked: the calls made on it by several threads (receiving, notifications, exit) are
    /// meant for that.
    struct Handle: @unchecked Sendable {
        let raw: OpaquePointer
    }

    private let fileSystem: FileSystem
    private let negotiation: InitNegotiation
    private let settling: Settling
    private let archive: Archive
    private let log: Logger
    public let mountpoint: String

    /// - Parameters:
    ///   - permissions: Who may see the archive and add to it.
    ///   - allowsPassthrough: False makes the daemon serve all reads itself.
    public init(
        archive: Archive, mountpoint: String, permissions: Permissions, allowsPassthrough: Bool,
        log: Logger
    ) {
        self.archive = archive
        self.mountpoint = mountpoint
        self.log = log
        negotiation = InitNegotiation(
            wantsPassthrough: allowsPassthrough
                && Capabilities.effective.contains(.systemAdministration))
        fileSystem = FileSystem(
            archive: archive, negotiation: negotiation, permissions: permissions)
        settling = Settling { [fileSystem] in fileSystem.incoming }
        fileSystem.documents.use { [settling, fileSystem] in
            try archive.status(
                pending: settling.pending,
                readMode: fileSystem.images.isPassthrough ? .passthrough : .cached,
                mountpoint: mountpoint)
        }
    }

    /// Passthrough, or cached when the kernel does not offer it, we may not use it, or it
    /// was not wanted.
    public var readMode: ArchiveStatus.ReadMode {
        fileSystem.images.isPassthrough ? .passthrough : .cached
    }

    /// How many files of `/incoming` are neither archived nor rejected yet.
    public var pending: Int { settling.pending }

    /// Mounts, serves until the file system is unmounted or SIGTERM or SIGINT comes, and returns
    /// when everything is on disk.
    ///
    /// - Parameters:
    ///   - threads: How many requests that read no disk are worked on at once.
    ///   - ready: Called when the mount can be used.
    ///   - ending: Called when it is being ended, before the work under way is finished.
    /// - Throws: ``MountError``.
    public func run(
        threads: Int, ready: @escaping @Sendable () -> Void, ending: () -> Void
    ) throws(MountError) {
        fileSystem.warmUp()
        let context = SessionContext(fileSystem: fileSystem, negotiation: negotiation, ready: ready)
        let userdata = Unmanaged.passRetained(context)
        defer { userdata.release() }
        guard let session = newSession(userdata.toOpaque()) else {
            throw MountError(
                .unavailable, "libfuse could not be started. Is the package fuse3 installed?")
        }
        var isFree = true
        defer { if isFree { fuse_session_destroy(session) } }
        guard fuse_session_mount(session, mountpoint) == 0 else {
            throw MountError(
                .unavailable,
                """
                \(mountpoint) could not be mounted on. What libfuse reported is in the log, \
                before this line: the end of pacsfs.log in the archive's directory, or \
                \"journalctl -u pacsfs\".
                """
            )
        }
        negotiation.device = fuse_session_fd(session)
        var hooks = Self.hooks()
        guard fuse_session_custom_io(session, &hooks, fuse_session_fd(session)) == 0 else {
            fuse_session_unmount(session)
            throw MountError(.unavailable, "libfuse is too old: 3.12 or later is needed.")
        }
        let invalidator = Invalidator(session: Handle(raw: session), fileSystem: fileSystem)
        archive.observe(views: invalidator, incoming: fileSystem.trees)
        settling.start()

        fileSystem.interruptions.start()
        let volumes = archive.settings.volumes.count
        let loop = RequestLoop(
            session: Handle(raw: session), fileSystem: fileSystem,
            incoming: Lane(limit: ThreadShares.lane, patience: archive.patience),
            most: ThreadShares.most(volumes: volumes, views: threads))
        loop.run()
        isFree = !loop.hasLostThreads

        log.info("Finishing what is under way.")
        ending()
        fileSystem.incoming.stopAddingLeftovers()
        fileSystem.documents.keep()
        settling.stop()
        // Programs that wait for a file to be safe are answered before the mount goes.
        archive.drain()
        // These read the index and the volumes, which are closed next.
        fileSystem.readingAhead.finish()
        fileSystem.incoming.renames.wait()
        archive.close()
        archive.stopObserving()
        invalidator.stop()
        fileSystem.interruptions.stop()
        fuse_session_unmount(session)
    }

    private func newSession(_ userdata: UnsafeMutableRawPointer) -> OpaquePointer? {
        var options = ["default_permissions", "nosuid", "nodev", "noexec", "subtype=pacsfs"]
        options.append("fsname=" + Self.escaped(archive.path))
        if Self.mayAllowOthers { options.append("allow_other") }
        let list: [String] = ["pacsfs", "-o", options.joined(separator: ",")]
        var arguments = list.map { strdup($0) }
        defer { for argument in arguments { free(argument) } }
        var operations = Operations.table()
        return arguments.withUnsafeMutableBufferPointer { buffer in
            var list = fuse_args(argc: Int32(buffer.count), argv: buffer.baseAddress, allocated: 0)
            return fuse_session_new(
                &list, &operations, MemoryLayout<fuse_lowlevel_ops>.size, userdata)
        }
    }

    /// libfuse separates options with commas, and takes backslashes for escapes.
    private static func escaped(_ path: String) -> String {
        var result = ""
        for character in path {
            if character == "," || character == "\\" { result.append("\\") }
            result.append(character)
        }
        return result
    }

    /// Whether other users can be let in: a process that mounts by itself may do so; fusermount3,
    /// which mounts for all others, only if /etc/fuse.conf says so.
    ///
    /// See: 'man 8 mount.fuse3'
    public static var mayAllowOthers: Bool {
        if geteuid() == 0 || Capabilities.effective.contains(.systemAdministration) { return true }
        return ProcFile.lines(of: "/etc/fuse.conf").contains { line in
            line.prefix { !$0.isWhitespace } == "user_allow_other"
        }
    }

    private static func hooks() -> fuse_custom_io {
        fuse_custom_io(
            writev: { descriptor, vectors, count, data in
                guard let data, let vectors else { return writev(descriptor, vectors, count) }
                let context = SessionContext.of(data)
                let isReady = context.negotiation.completeAnswer(
                    UnsafeBufferPointer(start: vectors, count: Int(count)))
                let result = writev(descriptor, vectors, count)
                if isReady { context.ready() }
                return result
            },
            read: { descriptor, buffer, size, data in
                let count = read(descriptor, buffer, size)
                if count > 0, let data {
                    SessionContext.of(data).negotiation.sawRequest(
                        UnsafeRawBufferPointer(start: buffer, count: count))
                }
                return count
            },
            splice_receive: { from, fromOffset, to, toOffset, size, flags, _ in
                splice(from, fromOffset, to, toOffset, UInt(size), flags)
            },
            splice_send: { from, fromOffset, to, toOffset, size, flags, _ in
                splice(from, fromOffset, to, toOffset, UInt(size), flags)
            })
    }
}
