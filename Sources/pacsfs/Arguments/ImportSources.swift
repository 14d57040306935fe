import Archive
import CLinux
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
    /// Symbolic links inside folders, which are not followed.
    private(set) var links = 0
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
        let opened: SharedDescriptor
        let facts: FileFacts
        do throws(Errno) {
            // What is neither a file nor a folder is not opened.
            opened = SharedDescriptor(try Descriptor(opening: path, PACSFS_O_PATH))
            facts = try opened.facts()
        } catch {
            throw .unreadable(argument, error)
        }
        let name = path.split(separator: "/").last.map(String.init) ?? ""
        let root = ImportFile.Root(path: path, identity: FileIdentity(facts))
        if facts.isDirectory {
            walk(opened.number, root, name)
        } else if facts.isRegular {
            add(path, name, root, facts)
        } else {
            add(unreadable: path, "It is neither a file nor a folder.")
        }
    }

    /// Adds the files below a folder in the order of their names, folders among them.
    ///
    /// - Parameter shown: What the folder is called in `rejected`.
    private mutating func walk(_ folder: Int32, _ root: ImportFile.Root, _ shown: String) {
        let start = root.path.hasSuffix("/") ? String(root.path.dropLast()) : root.path
        var walk: SourceWalk
        do throws(Errno) { walk = try SourceWalk(folder) } catch {
            return add(unreadable: root.path, "It cannot be read: \(error).")
        }
        while let entry = walk.next() {
            let path = "\(start)/\(entry.path)"
            switch entry.found {
            case .file(let facts):
                add(path, Self.shortened("\(shown)/\(entry.path)"), root, facts)
            case .unreadable(let reason): add(unreadable: path, reason)
            case .link: links += 1
            }
        }
    }

    /// What is deeper than a disk takes is set aside without the folders in the middle.
    private static func shortened(_ path: String) -> String {
        guard path.utf8.count > 1_000 else { return path }
        let parts = path.split(separator: "/")
        var end: [Substring] = []
        var count = 0
        for part in parts.reversed() where end.isEmpty || count + part.utf8.count < 700 {
            end.append(part)
            count += part.utf8.count + 1
            if count >= 700 { break }
        }
        return (parts.prefix(1) + ["…"] + end.reversed()).joined(separator: "/")
    }

    private mutating func add(
        _ path: String, _ shown: String, _ root: ImportFile.Root, _ facts: FileFacts
    ) {
        files.append(
            SourceFile(
                file: ImportFile(
                    path: path, rejectedPath: shown, root: root, identity: FileIdentity(facts)),
                bytes: facts.bytes))
    }

    private mutating func add(unreadable path: String, _ reason: String) {
        unreadable.append(ImportResult(path: path, bytes: 0, outcome: .failed, reason: reason))
    }

    /// The files in portions that are made safe together: many small ones, or a few large ones.
    func batches() -> [[SourceFile]] {
        var batches: [[SourceFile]] = []
        var current: [SourceFile] = []
        var (bytes, pathBytes): (Int64, Int) = (0, 0)
        for file in files {
            current.append(file)
            bytes += file.bytes
            pathBytes += file.file.path.utf8.count
            if current.count == 256 || bytes >= 256 << 20 || pathBytes >= 1 << 20 {
                batches.append(current)
                (current, bytes, pathBytes) = ([], 0, 0)
            }
        }
        return current.isEmpty ? batches : batches + [current]
    }
}
