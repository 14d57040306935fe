import Archive

/// The outcome of an import.
struct ImportSummary: Encodable {
    struct Entry: Encodable {
        var path: String
        var reason: String
    }

    var files = 0
    var archived = 0
    /// How many of the archived images have a data set that was archived before.
    var sameDataSet = 0
    var duplicates = 0
    var rejected = 0
    var ignored = 0
    var failed = 0
    /// Symbolic links in folders, which were not followed. They are not among the files.
    var links = 0
    var bytes: Int64 = 0
    /// Images that were archived although they are not whole.
    var truncated: [Entry] = []
    var rejections: [Entry] = []
    var failures: [Entry] = []

    mutating func add(_ results: [ImportResult]) {
        for result in results {
            files += 1
            bytes += result.bytes
            switch result.outcome {
            case .archived:
                archived += 1
                if result.sameDataSet { sameDataSet += 1 }
                if let missing = result.truncated {
                    truncated.append(Entry(path: result.path, reason: missing))
                }
            case .duplicate: duplicates += 1
            case .ignored: ignored += 1
            case .rejected:
                rejected += 1
                rejections.append(Entry(path: result.path, reason: result.reason ?? ""))
            case .failed:
                failed += 1
                failures.append(Entry(path: result.path, reason: result.reason ?? ""))
            }
        }
    }

    /// For people.
    var lines: [String] {
        var lines = [
            """
            \(Output.count(files, "file", "files")), \(Output.bytes(bytes)): \(archived) archived, \
            \(Output.count(duplicates, "duplicate", "duplicates")), \(rejected) rejected
            """
                + (ignored > 0 ? ", \(ignored) ignored" : "")
                + (failed > 0 ? ", \(failed) FAILED" : "")
        ]
        if sameDataSet > 0 {
            lines.append(
                """
                \(sameDataSet) of them had the same data set as an image in the archive: only the \
                file header differs. Both are kept, and views show the first.
                """
            )
        }
        if links > 0 {
            lines.append(
                """
                \(Output.count(links, "symbolic link was", "symbolic links were")) not followed. \
                To import what one leads to, name that as an argument.
                """
            )
        }
        lines += Self.list("Archived, but truncated; look for better copies:", truncated)
        lines += Self.list("Rejected, and kept with the reason in rejected/:", rejections)
        lines += Self.list("Failed; run the import again:", failures)
        return lines
    }

    /// How many reasons are printed, and how many files for each: a full disk is one reason for
    /// thousands.
    private static let (mostReasons, mostFiles) = (50, 10)

    private static func list(_ title: String, _ entries: [Entry]) -> [String] {
        guard !entries.isEmpty else { return [] }
        let groups = groups(entries)
        var lines = ["", title]
        for (reason, entries) in groups.prefix(mostReasons) {
            guard entries.count > 1 else {
                lines += ["  \(entries[0].path)", "      \(entries[0].reason)"]
                continue
            }
            lines.append("  \(entries.count) files: \(reason)")
            lines += entries.prefix(mostFiles).map { "      \($0.path)" }
            if entries.count > mostFiles {
                lines.append(
                    """
                          … and \(entries.count - mostFiles) more for the same reason; --json \
                    lists them all
                    """
                )
            }
        }
        let rest = groups.dropFirst(mostReasons).reduce(0) { $0 + $1.entries.count }
        if rest > 0 {
            lines.append("  … and \(rest) more for other reasons; --json lists them all")
        }
        return lines
    }

    /// Entries by their reason, in the order in which the reasons came.
    private static func groups(_ entries: [Entry]) -> [(reason: String, entries: [Entry])] {
        var groups: [(reason: String, entries: [Entry])] = []
        var indexes: [String: Int] = [:]
        for entry in entries {
            // Some reasons contain the file's name, or its size.
            let reason = entry.reason.replacing(entry.path, with: "FILE")
            let key = String(reason.filter { !$0.isNumber })
            if let index = indexes[key] {
                groups[index].entries.append(entry)
            } else {
                indexes[key] = groups.count
                groups.append((reason, [entry]))
            }
        }
        return groups
    }
}
