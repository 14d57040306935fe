import Archive
import Glibc
import Storage
import System

/// A file that is to be imported.
struct SourceFile {
    var file: ImportFile
    var bytes: Int64
}

/// The files that are meant by the arguments of an import.
struct ImportSources {
    private(set) var files: [SourceFile] = []
    /// Files and folders that cannot be read.
    private(set) var unreadable: [ImportResult] = []
    private let keptOut: [String]

    var bytes: Int64 { files.reduce(0) { $0 + $1.bytes } }

    /// Looks up all regular files below the arguments, folder by folder, in the order of their
    /// names. Symbolic links inside folders are not followed.
    ///
    /// - Parameter keptOut: Directories of the archive itself: its mount, its volumes.
    /// - Throws: ``CommandError`` when an argument is not there, or is the archive itself.
    init(_ arguments: [String], keptOut: [String]) throws(CommandError) {
        self.keptOut = keptOut
        for argument in arguments { try add(argument) }
    }

    private mutating func add(_ argument: String) throws(CommandError) {
        let path = Paths.absolute(argument)
        if let other = keptOut.first(where: {
            AbsolutePath.isInside(path, $0) || AbsolutePath.isInside($0, path)
        }) {
            throw CommandError(
                .wrongArgument,
                "\(argument) is, contains or lies in a folder of the archive itself (\(other))",
                remedy: "Name the folders to import without it.")
        }
        var status = stat()
        do throws(Errno) {
            try systemCall { stat(path, &status) }
        } catch {
            throw .unreadable(argument, error)
        }
        let name = path.split(separator: "/").last.map(String.init) ?? ""
        if FileFacts(status).isDirectory {
            walk(path, name)
        } else if FileFacts(status).isRegular {
            add(path, name, FileFacts(status))
        } else {
            add(unreadable: path, "It is neither a file nor a folder.")
        }
    }

    /// Adds the files below a folder in the order of their names, folders among them; with a list
    /// of its own instead of recursion, so that no depth is too deep.
    ///
    /// - Parameter shown: What the folder is called in `rejected`.
    private mutating func walk(_ path: String, _ shown: String) {
        // The next one is at the end.
        var entries = children(of: (path, shown))
        while let entry = entries.popLast() {
            var status = stat()
            do throws(Errno) {
                try systemCall { lstat(entry.path, &status) }
            } catch {
                // Such as a name that is not UTF-8, which a message to the daemon cannot carry.
                add(
                    unreadable: entry.path,
                    "It cannot be read: \(error). If its name is not UTF-8, copy it into "
                        + "incoming instead.")
                continue
            }
            let facts = FileFacts(status)
            if facts.isDirectory { entries += children(of: entry) }
            if facts.isRegular { add(entry.path, entry.shown, facts) }
        }
    }

    /// The entries of a folder, the first at the end.
    private mutating func children(
        of folder: (path: String, shown: String)
    ) -> [(path: String, shown: String)] {
        names(in: folder.path).reversed().map { name in
            (path: folder.path + "/" + name, shown: folder.shown + "/" + name)
        }
    }

    private mutating func names(in folder: String) -> [String] {
        do throws(Errno) {
            let descriptor = try Descriptor(opening: folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
            return try DirectoryEntry.names(in: descriptor.number)
                .map { String(decoding: $0, as: UTF8.self) }.sorted()
        } catch {
            add(unreadable: folder, "It cannot be read: \(error).")
            return []
        }
    }

    private mutating func add(_ path: String, _ shown: String, _ facts: FileFacts) {
        files.append(
            SourceFile(file: ImportFile(path: path, rejectedPath: shown), bytes: facts.bytes))
    }

    private mutating func add(unreadable path: String, _ reason: String) {
        unreadable.append(ImportResult(path: path, bytes: 0, outcome: .failed, reason: reason))
    }

    /// The files in portions that are made safe together: many small ones, or a few large ones.
    func batches() -> [[SourceFile]] {
        var batches: [[SourceFile]] = []
        var current: [SourceFile] = []
        var bytes: Int64 = 0
        for file in files {
            current.append(file)
            bytes += file.bytes
            if current.count == 256 || bytes >= 256 << 20 {
                batches.append(current)
                (current, bytes) = ([], 0)
            }
        }
        return current.isEmpty ? batches : batches + [current]
    }
}
