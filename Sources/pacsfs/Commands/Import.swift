import ArgumentParser
import Archive

struct Import: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Archive files and folders.",
        discussion: """
            Works whether the archive is mounted or not. It can be interrupted and run again: what \
            is archived already is recognised. The sources stay as they are. \
            Symbolic links in folders are counted, and not followed. \
            Zip archives are unpacked: their images are archived one by one. \
            With --verbose it prints a line for each file as soon as that is safe: what became of \
            it, a tab, its path. Whatever happens afterwards, that file is not lost.

            Exit code: 0 everything is archived, 1 files were rejected or links not followed, \
            2 files could not be read or stored.

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
        help:
            "Print what became of each file; with --json an object on each line before the summary."
    )
    var verbose = false

    func run() throws {
        try reporting {
            let path = try archive.existing
            let sources = try ImportSources(paths, keptOut: Self.ownDirectories(of: path))
            var summary = ImportSummary()
            summary.add(sources.unreadable)
            summary.links = sources.links
            if verbose { sources.unreadable.forEach(report) }
            let progress = ProgressLine()
            defer { progress.end() }
            let target = try ImportTarget(archive: path)
            defer { target.close() }
            var done: (files: Int, bytes: Int64) = (0, 0)
            for batch in sources.batches() {
                summary.add(
                    try target.importFiles(batch.map(\.file)) { if verbose { report($0) } })
                done.files += batch.count
                done.bytes += batch.reduce(0) { $0 + $1.bytes }
                progress.show(
                    TaskProgress(
                        items: "\(done.files) of \(sources.files.count) files", bytes: done.bytes,
                        totalBytes: sources.bytes))
            }
            progress.end()
            if json { try Output.json(summary) } else { Output.lines(summary.lines) }
            if summary.failed > 0 { throw ExitStatus.failure.code }
            if summary.rejected > 0 || summary.links > 0 { throw ExitStatus.attention.code }
        }
    }

    /// The archive, its volumes and its mount: nothing is imported from there.
    private static func ownDirectories(of path: String) -> [String] {
        let volumes = (try? Settings(file: ArchivePaths(path).configuration))?.volumes ?? []
        return volumes.map { Paths.absolute($0.path) } + [path]
            + (Paths.mountpoint(of: path).map { [$0] } ?? [])
    }

    private func report(_ result: ImportResult) {
        if json {
            // It has no number that JSON cannot write.
            try? Output.json(result, isOneLine: true)
        } else {
            Output.fields(result.outcome.rawValue, result.path)
        }
    }
}

/// Who archives the files: the daemon that has the archive, or this process.
private enum ImportTarget {
    case daemon(DaemonConnection)
    case archive(Archive)

    /// - Throws: ``ArchiveError`` when another process has the archive and does not answer.
    init(archive path: String) throws {
        if let daemon = DaemonConnection.connect(archive: path) {
            self = .daemon(daemon)
        } else {
            self = .archive(try Archive(at: path, log: StandardErrorLog.logger(level: .critical)))
        }
    }

    /// Archives files, and returns when each is safe or has failed.
    ///
    /// - Parameter each: Receives what became of each file; from the daemon when all are done. From
    ///   any thread, one at a time.
    /// - Throws: ``ArchiveError`` when the daemon has ended.
    func importFiles(
        _ files: [ImportFile], each: @escaping @Sendable (ImportResult) -> Void
    ) throws -> [ImportResult] {
        switch self {
        case .archive(let archive): return archive.importFiles(files, each: each)
        case .daemon(let daemon):
            let results = try daemon.importFiles(files)
            results.forEach(each)
            return results
        }
    }

    func close() {
        if case .archive(let archive) = self { archive.close() }
    }
}
