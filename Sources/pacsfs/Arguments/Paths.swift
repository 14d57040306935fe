import Foundation
import Storage
import System

enum Paths {
    /// Absolute and without links as far as it exists; the rest is kept as it is.
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
            let error = Errno.last.code
            if error == ENOTCONN || error == ECONNABORTED { break }
            // A link whose target does not exist yet.
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

    private static func target(of link: String) -> String? {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = readlink(link, &buffer, buffer.count)
        return count > 0 ? String(decoding: buffer.prefix(count), as: UTF8.self) : nil
    }

    /// A volume as the archive knows it: its ordinal, or its path.
    static func volume(_ argument: String) -> String {
        Int(argument) == nil ? absolute(argument) : argument
    }

    /// A path of a view, below the mount if there is one.
    static func shown(_ names: [String], in mountpoint: String?) -> String {
        ((mountpoint.map { [$0] } ?? []) + names).joined(separator: "/")
    }

    /// - Throws: ``CommandError`` when one of the directories lies in a mounted archive, where
    ///   files are archived and removed, or cannot be written.
    static func requireOutsideMounts(_ directories: [String]) throws(CommandError) {
        for mount in mountpoints() {
            for directory in directories where AbsolutePath.isInside(directory, mount.path) {
                throw CommandError(
                    .wrongArgument, "\(directory) lies in the mounted archive \(mount.path)",
                    remedy: "Choose a directory outside, on a disk of its own.")
            }
        }
    }

    /// All mounted archives, the latest last.
    static func mountpoints() -> [MountedFileSystem] {
        MountedFileSystem.all().filter { $0.type == "fuse.pacsfs" }
    }

    /// Where the archive is mounted, if it is.
    static func mountpoint(of archive: String) -> String? {
        mountpoints().last { $0.source == archive }?.path
    }
}
