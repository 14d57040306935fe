import ArgumentParser
import Archive
import FuseServer
import Foundation
import Storage

/// Which archive a command is about.
struct ArchiveOption: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp(
            "The directory of the archive.",
            discussion:
                "Otherwise $PACSFS_ARCHIVE, else /var/lib/pacsfs for root and ~/.local/share/pacsfs for others.",
            valueName: "DIR"))
    var archive: String?

    /// Absolute, without links.
    var path: String { archive.map(Paths.absolute) ?? Self.usual }

    /// The archive of commands that name none.
    private static var usual: String {
        let environment = ProcessInfo.processInfo.environment
        if let path = environment["PACSFS_ARCHIVE"], !path.isEmpty { return Paths.absolute(path) }
        if geteuid() == 0 { return "/var/lib/pacsfs" }
        return Paths.absolute((environment["HOME"] ?? "/") + "/.local/share/pacsfs")
    }

    /// What a command that somebody is told to run needs to name this archive: nothing, or
    /// ` --archive DIR`, to be put behind it.
    static func argument(for path: String) -> String {
        if path == usual { return "" }
        let isPlain = path.utf8.allSatisfy { byte in
            UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte | 0x20
                || UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte
                || "/._-+:,@".utf8.contains(byte)
        }
        return " --archive " + (isPlain ? path : "'" + path.replacing("'", with: "'\\''") + "'")
    }

    /// The path, when there is an archive.
    ///
    /// - throws: ``ArchiveError``
    var existing: String {
        get throws {
            let path = path
            guard access(path + "/pacsfs.toml", R_OK) == 0 else {
                if errno == EACCES {
                    throw ArchiveError(
                        .configuration,
                        "\(path) cannot be read: you have no permission. Run the command as the user whose archive it is, or with sudo.\(Self.wayIn(Paths.mountpoint(of: path)))"
                    )
                }
                if access(path + "/archive.json", F_OK) == 0 {
                    throw ArchiveError(
                        .notFound,
                        "\(path) is an archive, but its configuration pacsfs.toml is missing. Put it back; or, to make one anew, stop pacsfs, move \(path) away and run: pacsfs init --archive \(path) --from VOLUME"
                    )
                }
                if access(path + "/pacsfs-volume.json", F_OK) == 0 {
                    throw ArchiveError(
                        .notFound,
                        "\(path) is a volume, not the directory of an archive. Name that with --archive."
                    )
                }
                throw ArchiveError(
                    .notFound,
                    "There is no archive in \(path). Make one with «pacsfs init», or name another with --archive.\(Self.wayIn(Mountpoint.all().last { $0.type == "fuse.pacsfs" }?.path))"
                )
            }
            return path
        }
    }

    /// What somebody can do in a mount, whose archive is another's.
    private static func wayIn(_ mountpoint: String?) -> String {
        mountpoint.map {
            " To look for images in the archive that is shown on \($0), open a folder that is called like the question: \($0)/search/smith rex 2024 (more in \($0)/README.txt)"
        } ?? ""
    }
}

enum Paths {
    /// Absolute and without links as far as it exists; what does not exist is kept as it is.
    static func absolute(_ path: String) -> String {
        let full =
            path.hasPrefix("/") ? path : FileManager.default.currentDirectoryPath + "/" + path
        var rest: [Substring] = full.split(separator: "/").filter { $0 != "." }
        var tail: [Substring] = []
        var links = 0
        while !rest.isEmpty {
            if let real = realpath("/" + rest.joined(separator: "/"), nil) {
                defer { free(real) }
                let base = String(cString: real)
                return tail.isEmpty
                    ? base : (base == "/" ? "" : base) + "/" + tail.joined(separator: "/")
            }
            // A mount whose daemon has died cannot be resolved, and is meant as it is written.
            if errno == ENOTCONN || errno == ECONNABORTED { break }
            // A link to what does not exist yet.
            if links < 40, let target = target(of: "/" + rest.joined(separator: "/")) {
                links += 1
                rest = target.hasPrefix("/") ? [] : Array(rest.dropLast())
                for component in target.split(separator: "/") where component != "." {
                    if component == ".." { _ = rest.popLast() } else { rest.append(component) }
                }
                continue
            }
            tail.insert(rest.removeLast(), at: 0)
        }
        return "/" + (rest + tail).joined(separator: "/")
    }

    /// - throws: ``ArchiveError`` when one of the directories lies in a mounted archive: what is
    ///   there is archived and cleared away, or cannot be written
    static func requireOutsideMounts(_ directories: [String]) throws(ArchiveError) {
        for mount in Mountpoint.all() where mount.type == "fuse.pacsfs" {
            for directory in directories where AbsolutePath.isInside(directory, mount.path) {
                throw ArchiveError(
                    .configuration,
                    "\(directory) lies in the mounted archive \(mount.path). Choose a directory outside, on a disk of its own."
                )
            }
        }
    }

    private static func target(of link: String) -> String? {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = readlink(link, &buffer, buffer.count)
        return count > 0 ? String(decoding: buffer.prefix(count), as: UTF8.self) : nil
    }

    /// Where the archive is mounted, if it is.
    static func mountpoint(of archive: String) -> String? {
        Mountpoint.all().last { $0.type == "fuse.pacsfs" && $0.source == archive }?.path
    }
}
