import Foundation
import Programs
import Testing

/// The collection of real DICOM files, with the results of other readers.
struct Corpus: Sendable {
    let root: String

    /// `PACSFS_CORPUS`, or `../shared/corpus` next to the package; `nil` when it is absent.
    static let shared: Corpus? = {
        var candidates: [String] = []
        if let path = ProcessInfo.processInfo.environment["PACSFS_CORPUS"] {
            candidates.append(path)
        }
        var directory = #filePath
        while let slash = directory.lastIndex(of: "/") {
            directory = String(directory[..<slash])
            if Files.exists(directory + "/Package.swift") {
                candidates.append(directory + "/../shared/corpus")
                break
            }
        }
        return candidates.first { Files.exists($0 + "/samples/MANIFEST.tsv") }.map(Corpus.init)
    }()

    static let isAbsent: Comment = "the corpus is absent: set PACSFS_CORPUS to its directory"

    /// Files about the corpus, which are not of it.
    static let documents: Set<String> = ["EXPECTED.jsonl", "MANIFEST.tsv", "LICENSES.md"]

    /// Copies its files to `directory`, without its documents.
    func copy(_ sets: [String] = ["samples", "series"], to directory: String) throws {
        let excluded = Self.documents.sorted().map { "--exclude=\($0)" }
        let run = try ProgramRun(
            ["rsync", "-r", "--mkpath"] + excluded + sets + [directory + "/"], in: root)
        guard run.succeeded else { throw ProgramError(description: run.report) }
    }

    /// Copies all odd and malformed files of `samples` to `directory`, and some of the others; but
    /// not those that are cut off, of which `import` and incoming think differently.
    ///
    /// - Returns: how many
    @discardableResult
    func copyOdd(to directory: String) throws -> Int {
        let samples = try entries().filter { entry in
            entry.path.hasPrefix("samples/")
                && !CorpusArchives.cutOff.contains { entry.path.hasSuffix("/" + $0) }
        }
        let valid = samples.filter(\.isValidAndCrossChecked).enumerated().filter {
            $0.offset.isMultiple(of: 5)
        }.map(\.element)
        let chosen = samples.filter { !$0.isValidAndCrossChecked } + valid
        let run = try ProgramRun(
            [
                "bash", "-c",
                "mkdir -p \"$0\" && cp --parents --no-preserve=mode -t \"$0\" -- \"$@\"", directory,
            ] + chosen.map(\.path), in: root)
        guard run.succeeded else { throw ProgramError(description: run.report) }
        return chosen.count
    }

    /// The results of two other readers for a file.
    struct Entry {
        /// From the corpus's root.
        var path: String
        var sha256: String
        /// Neither odd nor malformed, and read by two programs.
        var isValidAndCrossChecked: Bool
        /// The correct value; `nil` for an attribute that the file does not have.
        var expected: [String: String?]
    }

    /// The attributes in EXPECTED.jsonl, without the entries about the file itself.
    private static let others: Set<String> = [
        "path", "sha256", "bytes", "cross_checked", "disagree", "unchecked", "best", "readers",
    ]

    func entries() throws -> [Entry] {
        try ["samples", "series"].flatMap { set in
            var verdicts: [String: String] = [:]
            for line in try Files.text("\(root)/\(set)/MANIFEST.tsv").split(separator: "\n")
                .dropFirst()
            {
                let columns = line.split(separator: "\t", omittingEmptySubsequences: false)
                verdicts[String(columns[0])] = String(columns[5])
            }
            let lines = Data(try Files.read("\(root)/\(set)/EXPECTED.jsonl"))
            return try lines.split(separator: UInt8(ascii: "\n")).map { line in
                let object = try #require(
                    try JSONSerialization.jsonObject(with: line) as? [String: Any])
                let path = try #require(object["path"] as? String)
                let best = object["best"] as? [String: String] ?? [:]
                var expected: [String: String?] = [:]
                for (key, value) in object where !Self.others.contains(key) {
                    expected.updateValue(best[key] ?? value as? String, forKey: key)
                }
                return Entry(
                    path: "\(set)/\(path)", sha256: try #require(object["sha256"] as? String),
                    isValidAndCrossChecked: object["cross_checked"] as? Bool == true
                        && verdicts[path] == "valid",
                    expected: expected)
            }
        }
    }
}
