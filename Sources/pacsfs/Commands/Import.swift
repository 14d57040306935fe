import ArgumentParser
import Archive
import Foundation
import Storage

struct Import: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Archive files and folders.",
        discussion: """
            Works while the archive is mounted and while it is not. It can be interrupted and run \
            again: what is archived already is recognised. The sources stay as they are. \
            Zip archives are unpacked: their images are archived one by one. \
            With --verbose it prints a line for each file as soon as that is safe: what became of \
            it, a tab, its path. Whatever happens afterwards, a file so named is not lost.

            Exit code: 0 all is archived, 1 files were rejected, 2 files could not be read or stored.

            Example:
              pacsfs import /media/cdrom ~/old-xrays
            """)

    @Argument(help: ArgumentHelp("Folders and files.", valueName: "PATH"))
    var paths: [String]

    @OptionGroup var archive: ArchiveOption

    @Flag(name: .long, help: "Print the summary as JSON.")
    var json = false

    @Flag(
        name: .shortAndLong,
        help: "Print what became of each file; with --json an object a line before the summary.")
    var verbose = false

    func run() throws {
        try reporting {
            let path = try archive.existing
            var own =
                (try? Settings(file: path + "/pacsfs.toml"))?.volumes.map {
                    Paths.absolute($0.path)
                } ?? []
            own += [path] + (Paths.mountpoint(of: path).map { [$0] } ?? [])
            var files: [FoundFile] = []
            var unreadable: [ImportResult] = []
            for argument in paths {
                files += try FoundFile.below(argument, keptOut: own, unreadable: &unreadable)
            }
            var summary = ImportSummary()
            summary.add(unreadable)
            if verbose { unreadable.forEach(tell) }
            var progress = ImportProgress(
                files: files.count, bytes: files.reduce(0) { $0 + $1.bytes })
            let target = try ImportTarget(archive: path)
            defer { target.close() }
            for batch in FoundFile.batches(files) {
                let results = try target.take(batch.map(\.file)) { if verbose { tell($0) } }
                summary.add(results)
                progress.advance(files: batch.count, bytes: batch.reduce(0) { $0 + $1.bytes })
            }
            progress.end()
            if json { try Output.json(summary) } else { print(summary.text) }
            if summary.failed > 0 { throw ExitStatus.failure.code }
            if summary.rejected > 0 { throw ExitStatus.attention.code }
        }
    }

    private func tell(_ result: ImportResult) {
        if json {
            // An encoder of strings and numbers does not fail.
            try? Output.jsonLine(result)
        } else {
            Output.line("\(result.outcome.rawValue)\t\(result.path)")
        }
    }
}

/// A file on its way into the archive.
struct FoundFile {
    var file: ImportFile
    var bytes: Int64

    /// All regular files of a folder, in the order of their names; or the file itself.
    /// Symbolic links within are not followed.
    ///
    /// - parameter keptOut: directories of the archive itself: its mount, its volumes
    /// - throws: ``ArchiveError`` when it is not there, or is the archive itself
    static func below(
        _ argument: String, keptOut: [String], unreadable: inout [ImportResult]
    ) throws -> [FoundFile] {
        let path = Paths.absolute(argument)
        if let other = keptOut.first(where: {
            AbsolutePath.isInside(path, $0) || AbsolutePath.isInside($0, path)
        }) {
            throw ArchiveError(
                .configuration,
                "\(argument) is, contains or lies in a folder of the archive itself (\(other)). Name the folders that are to be imported, without that one."
            )
        }
        var status = stat()
        guard stat(path, &status) == 0 else {
            throw ArchiveError(
                .notFound, "\(argument) cannot be read: \(String(cString: strerror(errno))).")
        }
        let name = path.split(separator: "/").last.map(String.init) ?? ""
        if status.st_mode & S_IFMT == S_IFREG {
            return [
                FoundFile(
                    file: ImportFile(path: path, rejectedPath: name), bytes: Int64(status.st_size))
            ]
        }
        var found: [FoundFile] = []
        walk(path, name, into: &found, unreadable: &unreadable)
        return found
    }

    private static func walk(
        _ path: String, _ shown: String, into found: inout [FoundFile],
        unreadable: inout [ImportResult]
    ) {
        guard let stream = opendir(path) else {
            unreadable.append(.unreadable(path, String(cString: strerror(errno))))
            return
        }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        closedir(stream)
        for name in names.sorted() {
            var status = stat()
            let child = path + "/" + name
            guard lstat(child, &status) == 0 else {
                // Such as a name that is not UTF-8: it cannot be given on, and must not be passed over.
                unreadable.append(
                    .unreadable(
                        child,
                        "\(String(cString: strerror(errno))). If its name is not UTF-8, copy it into incoming instead"
                    ))
                continue
            }
            switch status.st_mode & S_IFMT {
            case S_IFDIR: walk(child, shown + "/" + name, into: &found, unreadable: &unreadable)
            case S_IFREG:
                found.append(
                    FoundFile(
                        file: ImportFile(path: child, rejectedPath: shown + "/" + name),
                        bytes: Int64(status.st_size)))
            default: break
            }
        }
    }

    /// Portions that are made safe together: many small files, or few large ones.
    static func batches(_ files: [FoundFile]) -> [[FoundFile]] {
        var batches: [[FoundFile]] = []
        var current: [FoundFile] = []
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

extension ImportResult {
    fileprivate static func unreadable(_ path: String, _ reason: String) -> ImportResult {
        ImportResult(
            path: path, bytes: 0, outcome: .failed, reason: "It cannot be read: \(reason).")
    }
}

/// Who takes the files: the daemon that runs, or the archive itself.
final class ImportTarget {
    private enum Way {
        case daemon(ControlConnection)
        case archive(Archive)
    }

    private let way: Way

    init(archive path: String) throws {
        if let connection = ControlConnection.connect(archive: path) {
            way = .daemon(connection)
        } else {
            way = .archive(try Archive(at: path, log: StandardErrorLog.logger(level: .critical)))
        }
    }

    /// - parameter each: told what became of each file; of those that a daemon takes, when all
    ///   of `files` are done. From any thread, one at a time.
    func take(
        _ files: [ImportFile], each: @escaping @Sendable (ImportResult) -> Void
    ) throws -> [ImportResult] {
        switch way {
        case .archive(let archive): return archive.importFiles(files, each: each)
        case .daemon(let connection):
            switch try connection.ask(.importFiles(files)) {
            case .imported(let results):
                results.forEach(each)
                return results
            case .failed(let reason): throw ArchiveError(.storage, reason)
            default:
                throw ArchiveError(
                    .storage, "The daemon answered something else. Is it another version of pacsfs?"
                )
            }
        }
    }

    func close() {
        if case .archive(let archive) = way { archive.close() }
    }
}
