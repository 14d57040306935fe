import Archive

/// What an import came to.
struct ImportSummary: Encodable {
    struct Rejection: Encodable {
        var path: String
        var reason: String
    }

    var files = 0
    var archived = 0
    /// Of these.
    var sameDataSet = 0
    var duplicates = 0
    var rejected = 0
    var ignored = 0
    var failed = 0
    var bytes: Int64 = 0
    /// What was archived as it is, although it is cut off.
    var cutOff: [Rejection] = []
    var rejections: [Rejection] = []
    var failures: [Rejection] = []

    mutating func add(_ results: [ImportResult]) {
        for result in results {
            files += 1
            bytes += result.bytes
            switch result.outcome {
            case .archived:
                archived += 1
                if result.sameDataSet == true { sameDataSet += 1 }
                if let what = result.cutOff {
                    cutOff.append(Rejection(path: result.path, reason: what))
                }
            case .duplicate: duplicates += 1
            case .ignored: ignored += 1
            case .rejected:
                rejected += 1
                rejections.append(Rejection(path: result.path, reason: result.reason ?? ""))
            case .failed:
                failed += 1
                failures.append(Rejection(path: result.path, reason: result.reason ?? ""))
            }
        }
    }

    var text: String {
        var lines = [
            "\(Output.count(files, "file", "files")), \(Output.bytes(bytes)): \(archived) archived, \(Output.count(duplicates, "duplicate", "duplicates")), \(rejected) rejected"
                + (ignored > 0 ? ", \(ignored) ignored" : "")
                + (failed > 0 ? ", \(failed) FAILED" : "")
        ]
        if sameDataSet > 0 {
            lines.append(
                "\(sameDataSet) of them had the same data set as an image in the archive: only the file header differs, and both are kept."
            )
        }
        lines += Self.list("Archived as they are, but cut off; look for better copies:", cutOff)
        lines += Self.list("Rejected, and kept with the reason in rejected/:", rejections)
        lines += Self.list("Failed; run the import again:", failures)
        return lines.joined(separator: "\n")
    }

    /// How many reasons are told, and how many files of each: a full disk is one reason for
    /// thousands.
    private static let (mostReasons, mostFiles) = (50, 10)

    private static func list(_ title: String, _ items: [Rejection]) -> [String] {
        guard !items.isEmpty else { return [] }
        var groups: [(reason: String, items: [Rejection])] = []
        var places: [String: Int] = [:]
        for item in items {
            // Some reasons name the file, or its size.
            let reason = item.reason.replacing(item.path, with: "FILE")
            let key = String(reason.filter { !$0.isNumber })
            if let place = places[key] {
                groups[place].items.append(item)
            } else {
                places[key] = groups.count
                groups.append((reason, [item]))
            }
        }
        var lines = ["", title]
        for (reason, items) in groups.prefix(mostReasons) {
            guard items.count > 1 else {
                lines.append("  \(items[0].path)\n      \(items[0].reason)")
                continue
            }
            lines.append("  \(items.count) files: \(reason)")
            lines += items.prefix(mostFiles).map { "      \($0.path)" }
            if items.count > mostFiles {
                lines.append(
                    "      … and \(items.count - mostFiles) more for the same reason; --json lists them all"
                )
            }
        }
        let rest = groups.dropFirst(mostReasons).reduce(0) { $0 + $1.items.count }
        if rest > 0 {
            lines.append("  … and \(rest) more for other reasons; --json lists them all")
        }
        return lines
    }
}
