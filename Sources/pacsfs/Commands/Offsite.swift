import ArgumentParser
import Archive
import Offsite

struct Remotes: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "offsite",
        abstract: "Copies away from this building: add, list, push, check, forget, remove.",
        discussion: """
            While the archive is mounted, everything is brought to each remote within minutes: \
            images, the ledger, rejected files. A remote is anything that rclone reaches: S3 and \
            its kin, SFTP, WebDAV, Dropbox, Drive, or a folder such as a mounted share. An object \
            counts as being there only after the remote itself has listed it.

            Examples:
              pacsfs offsite add b2 b2:our-bucket/images --encrypt
              pacsfs offsite list
              pacsfs offsite push
            """,
        subcommands: [
            OffsiteAdd.self, OffsiteSheet.self, OffsiteList.self, OffsitePush.self,
            OffsiteCheck.self, OffsiteWipeTest.self,
            OffsiteForget.self,
            OffsiteRemove.self,
        ],
        defaultSubcommand: OffsiteList.self)
}

struct OffsiteAdd: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add", abstract: "Bring everything to a place away from this building.",
        discussion: """
            REMOTE is written as rclone does: NAME:PATH with a name of your rclone configuration \
            ("rclone config" makes one), :TYPE,option=value:PATH, or the absolute path of a folder \
            such as a mounted share. The path must be empty, or this archive's own.

            With --encrypt nobody can read what lies there, or its names, without the keys that \
            are made here. They are in ARCHIVE/offsite. Nothing is brought away before the \
            recovery sheet with them was printed or saved.

            Examples:
              pacsfs offsite add b2 b2:our-bucket/images --encrypt
              pacsfs offsite add nas /mnt/nas/images
            """)

    @Argument(help: "What it is called here: lower-case letters, digits and hyphens.")
    var name: String

    @Argument(help: "Where it is.")
    var remote: String

    @Flag(name: .long, help: "Encrypt everything that goes there, names too.")
    var encrypt = false

    @OptionGroup var archive: ArchiveOption

    func run() throws {
        try reporting {
            let path = try archive.existing
            // The user's own configuration of rclone, and paths, mean this process's.
            let location = try Rclone().location(of: remote)
            let request = RemoteRequest(name: name, location: location, isEncrypted: encrypt)
            let added = try OffsiteCommands.run(path) { daemon in
                try daemon.addRemote(request)
            } here: { archive in
                try archive.addRemote(request)
            }
            let images = Output.count(added.images, "image", "images")
            Output.line(
                """
                \(added.name) is a remote now; \(images), \(Output.bytes(added.bytes)), are to go \
                there.
                """
            )
            if let test = added.wipeTest { Output.line(OffsiteWipeTest.text(test)) }
            if let problem = added.wipeProblem {
                Output.line("Note: what these keys can destroy there was not found out: \(problem)")
            }
            if added.hash == nil {
                Output.line(
                    """
                    Note: its server keeps no hashes: a check compares sizes only, and reads \
                    everything back in the course of time.
                    """
                )
            }
        }
    }
}

struct OffsiteList: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the remotes and what they lack.",
        discussion: """
            Example:
              pacsfs offsite list
            """)

    @OptionGroup var archive: ArchiveOption

    @Flag(name: .long, help: "Print JSON.")
    var json = false

    func run() throws {
        try reporting {
            let remotes = try Status.status(of: try archive.existing).remotes
            if json { return try Output.json(RemoteListDocument(remotes: remotes)) }
            if remotes.isEmpty {
                return Output.line(
                    "Everything is in this building. Add a remote: pacsfs offsite add NAME REMOTE")
            }
            Output.lines(remotes.flatMap(StatusText.remote))
        }
    }
}

struct OffsitePush: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "push", abstract: "Bring away now what waits, and say when it is there.",
        discussion: """
            The daemon does this by itself: a series goes when it has been quiet for two minutes, \
            and nothing waits longer than an hour. This command does not wait for that, for \
            "hours" in pacsfs.toml, or for the end of a pause after a failure.

            Exit code: 0 everything is there, 1 something could not be brought there, 2 it failed.

            Examples:
              pacsfs offsite push
              pacsfs offsite push b2
            """)

    @Argument(help: "Names of remotes; all if none is named.")
    var names: [String] = []

    @OptionGroup var archive: ArchiveOption

    func run() throws {
        try reporting {
            let path = try archive.existing
            let line = ProgressLine()
            defer { line.end() }
            @Sendable func show(_ progress: PushProgress) { line.show(.init(progress)) }
            var problems: [String] = []
            let all = names
            if let daemon = DaemonConnection.connect(archive: path) {
                let names = all.isEmpty ? try daemon.status().remotes.map(\.name) : all
                for name in names { problems += try daemon.pushRemote(name, progress: show) }
            } else {
                let archive = try Archive(at: path, log: StandardErrorLog.logger(level: .critical))
                defer { archive.close() }
                let names = all.isEmpty ? try archive.remoteNames() : all
                for name in names { problems += try archive.pushRemote(name, progress: show) }
            }
            line.end()
            let remotes = try Status.status(of: path).remotes
            Output.lines(remotes.flatMap(StatusText.remote))
            for problem in problems { Output.error(problem) }
            if !problems.isEmpty { throw ExitStatus.attention.code }
        }
    }
}

struct OffsiteCheck: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Compare remotes with what was recorded of them.",
        discussion: """
            One listing of each remote shows what is missing, cut off, changed, swapped or rolled \
            back there, also when it is encrypted. Where its server keeps no hashes, only sizes \
            can be compared. What is not as it was is brought there again. The daemon does this \
            once a day, and fetches and hashes a share of everything.

            Exit code: 0 all is as it was, 1 something is not, 2 it could not be compared.

            Examples:
              pacsfs offsite check
              pacsfs offsite check b2 --download    # reads everything back; may cost money
            """)

    @Argument(help: "Names of remotes; all if none is named.")
    var names: [String] = []

    @Flag(name: .long, help: "Fetch every object and hash it.")
    var download = false

    @Flag(name: .long, help: "Print JSON.")
    var json = false

    @OptionGroup var archive: ArchiveOption

    func run() throws {
        try reporting {
            let path = try archive.existing
            let line = ProgressLine()
            defer { line.end() }
            @Sendable func show(_ progress: CheckProgress) { line.show(.init(progress)) }
            var reports: [RemoteCheckReport] = []
            if let daemon = DaemonConnection.connect(archive: path) {
                let all = names.isEmpty ? try daemon.status().remotes.map(\.name) : names
                for name in all {
                    reports.append(
                        try daemon.checkRemote(name, isFetching: download, progress: show))
                }
            } else {
                let archive = try Archive(at: path, log: StandardErrorLog.logger(level: .critical))
                defer { archive.close() }
                let all = names.isEmpty ? try archive.remoteNames() : names
                for name in all {
                    reports.append(
                        try archive.checkRemote(name, isFetching: download, progress: show))
                }
            }
            line.end()
            if json {
                try Output.json(RemoteCheckDocument(remotes: reports))
            } else {
                Output.lines(reports.flatMap(Self.lines))
            }
            if reports.contains(where: { !$0.faults.isEmpty }) { throw ExitStatus.attention.code }
        }
    }

    private static func lines(_ report: RemoteCheckReport) -> [String] {
        let objects = Output.count(report.objects, "object", "objects")
        var lines: [String] = []
        if report.faults.isEmpty {
            lines.append("\(report.name): all \(objects) are as they were.")
        } else {
            lines.append(
                """
                \(report.name): ATTENTION: \(report.faults.count) of \(objects) are not as they \
                were; they are brought there again where that is possible.
                """
            )
        }
        if report.rolledBack > 1 {
            lines.append("  The \(report.rolledBack) newest are gone together: it was rolled back.")
        }
        if report.hidden > 0 {
            lines.append(
                """
                  \(report.hidden) of them were only hidden: the server keeps older versions, \
                from which images are read (rclone: --s3-version-at, --b2-version-at).
                """
            )
        }
        if report.goodByHash > 0 { lines.append("  \(report.goodByHash) by size and hash") }
        if report.goodBySize > 0 {
            lines.append("  \(report.goodBySize) by size only: the server keeps no hashes of them")
        }
        if report.goodByFetch > 0 { lines.append("  \(report.goodByFetch) fetched and hashed") }
        lines += report.faults.prefix(50).map { "  \($0.fault.rawValue): \($0.object)" }
        if report.faults.count > 50 {
            lines.append("  … and \(report.faults.count - 50) more; --json lists them")
        }
        if report.unknown > 0 {
            lines.append(
                """
                  \(Output.count(report.unknown, "object", "objects")) there have no record: of a \
                push that was interrupted, or somebody else's.
                """
            )
        }
        return lines
    }
}

struct OffsiteWipeTest: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "wipe-test",
        abstract: "Try to destroy objects on a remote with the keys of this machine.",
        discussion: """
            Ransomware on this machine has its keys, and can do with a remote what they allow. \
            This makes a few small objects there, in the folder canaries, and tries to overwrite \
            and to delete them, old versions included. "offsite add" does it, too.

            Exit code: 0 nothing can be destroyed, 1 something can, 2 nobody can tell.

            Example:
              pacsfs offsite wipe-test b2
            """)

    @Argument(help: "The remote's name.")
    var name: String

    @OptionGroup var archive: ArchiveOption

    func run() throws {
        try reporting {
            let test = try OffsiteCommands.run(try archive.existing) { daemon in
                try daemon.testWipe(name)
            } here: { archive in
                try archive.testWipe(of: name)
            }
            Output.line(Self.text(test))
            if test.result == .destroyable { throw ExitStatus.attention.code }
        }
    }

    static func text(_ test: ArchiveStatus.Remote.WipeTest) -> String {
        switch test.result {
        case .wipeProof: "Wipe-proof: what lies there can be neither overwritten nor deleted."
        case .hidden:
            "What is overwritten or deleted there is kept by the server, and can be had again."
        case .destroyable:
            """
            These keys can delete everything there: so can whatever gets hold of this machine. \
            README, "Away from the building", says how to get keys that cannot.
            """
        }
    }
}

struct OffsiteForget: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "forget",
        abstract: "Believe nothing to be on a remote until it is proven again.",
        discussion: """
            For a remote that was emptied or put back to an earlier state. The next push compares \
            everything, and sends what is not there. Nothing is removed from the remote.

            Example:
              pacsfs offsite forget b2
            """)

    @Argument(help: "The remote's name.")
    var name: String

    @OptionGroup var archive: ArchiveOption

    func run() throws {
        try reporting {
            try OffsiteCommands.run(try archive.existing) { daemon in
                try daemon.forgetRemote(name)
            } here: { archive in
                try archive.forgetRemote(name)
            }
            Output.line("Nothing is believed to be on \(name) until it is proven again.")
        }
    }
}

struct OffsiteRemove: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Bring nothing more to a remote.",
        discussion: """
            What lies there stays as it is. Its keys stay in ARCHIVE/offsite under another name.

            Example:
              pacsfs offsite remove b2
            """)

    @Argument(help: "The remote's name.")
    var name: String

    @OptionGroup var archive: ArchiveOption

    func run() throws {
        try reporting {
            try OffsiteCommands.run(try archive.existing) { daemon in
                try daemon.removeRemote(name)
            } here: { archive in
                try archive.removeRemote(name)
            }
            Output.line("\(name) is no remote any more. What lies there stays there.")
        }
    }
}

/// Does something by the daemon if one runs, else in this process.
enum OffsiteCommands {
    static func run<Answer>(
        _ path: String, _ daemon: (DaemonConnection) throws -> Answer,
        here: (Archive) throws -> Answer
    ) throws -> Answer {
        if let connection = DaemonConnection.connect(archive: path) {
            return try daemon(connection)
        }
        let archive = try Archive(at: path, log: StandardErrorLog.logger(level: .critical))
        defer { archive.close() }
        return try here(archive)
    }
}

extension TaskProgress {
    /// How far a push is.
    init(_ progress: PushProgress) {
        self.init(
            items: "\(progress.images) images there", bytes: progress.bytes,
            totalBytes: progress.totalBytes)
    }
}

extension TaskProgress {
    /// How far a check is.
    init(_ progress: CheckProgress) {
        self.init(
            items: progress.fetched > 0
                ? "\(progress.fetched) objects fetched" : "\(progress.listed) objects listed",
            bytes: progress.bytes, totalBytes: progress.totalBytes)
    }
}
