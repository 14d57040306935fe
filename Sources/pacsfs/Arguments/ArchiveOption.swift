import ArgumentParser
import Archive
import Foundation
import System

/// The option that names the archive a command is about.
struct ArchiveOption: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp(
            "The directory of the archive.",
            discussion:
                """
                Otherwise $PACSFS_ARCHIVE, else /var/lib/pacsfs for root and ~/.local/share/pacsfs \
                for others.
                """,
            valueName: "DIR"))
    var archive: String?

    /// Absolute, without links.
    var path: String { archive.map(Paths.absolute) ?? Self.usual }

    /// Whether neither the option nor the environment names an archive.
    var isAssumed: Bool {
        archive == nil && ProcessInfo.processInfo.environment["PACSFS_ARCHIVE"]?.isEmpty != false
    }

    /// The archive of commands that name none.
    private static var usual: String {
        let environment = ProcessInfo.processInfo.environment
        if let path = environment["PACSFS_ARCHIVE"], !path.isEmpty { return Paths.absolute(path) }
        if geteuid() == 0 { return "/var/lib/pacsfs" }
        return Paths.absolute((environment["HOME"] ?? "/") + "/.local/share/pacsfs")
    }

    /// What a command needs at its end, when a message tells somebody to run it for this archive:
    /// nothing, or ` --archive DIR`.
    static func argument(for path: String) -> String {
        if path == usual { return "" }
        let isPlain = path.utf8.allSatisfy { byte in
            UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte | 0x20
                || UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte
                || "/._-+:,@".utf8.contains(byte)
        }
        return " --archive " + (isPlain ? path : "'" + path.replacing("'", with: "'\\''") + "'")
    }

    /// The path, if there is an archive.
    ///
    /// - Throws: ``CommandError`` when there is none, or this user may not read it.
    var existing: String {
        get throws(CommandError) {
            let path = path
            do throws(Errno) {
                try systemCall { access(ArchivePaths(path).configuration, R_OK) }
                return path
            } catch {
                throw Self.problem(path, error)
            }
        }
    }

    /// Why a directory is not an archive that this user can read.
    private static func problem(_ path: String, _ error: Errno) -> CommandError {
        if error.code == EACCES {
            return CommandError(
                .notAllowed, "\(path) cannot be read: you have no permission",
                remedy: "Run the command as the user who owns the archive, or with sudo."
                    + searchHint(Paths.mountpoint(of: path)))
        }
        if access(ArchivePaths(path).identity, F_OK) == 0 {
            return CommandError(
                .notFound,
                "\(path) is an archive, but its configuration pacsfs.toml is missing",
                remedy:
                    "Put it back; or, to make a new one, stop pacsfs, move \(path) away and run: "
                    + "pacsfs init --archive \(path) --from VOLUME")
        }
        if access(path + "/pacsfs-volume.json", F_OK) == 0 {
            return CommandError(
                .notFound, "\(path) is a volume, not the directory of an archive",
                remedy: "Name the archive with --archive.")
        }
        return CommandError(
            .notFound, "There is no archive in \(path)",
            remedy: "Make one with \"pacsfs init\", or name another with --archive."
                + searchHint(Paths.mountpoints().last?.path))
    }

    /// How somebody can search in a mount whose archive belongs to another user.
    private static func searchHint(_ mountpoint: String?) -> String {
        mountpoint.map {
            " To look for images in the archive that is mounted on \($0), open a folder with the "
                + "words as its name: \($0)/search/smith rex 2024 (more in \($0)/README.txt)"
        } ?? ""
    }
}
