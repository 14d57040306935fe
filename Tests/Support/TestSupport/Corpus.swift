import Foundation
import Testing

/// The collection of real DICOM files, with the results of other readers.
public struct Corpus: Sendable {
    public let root: String

    /// `PACSFS_CORPUS`, or `../shared/corpus` next to the package; `nil` when it is absent.
    public static let shared: Corpus? = {
        let named = ProcessInfo.processInfo.environment["PACSFS_CORPUS"].map { [$0] } ?? []
        return (named + [Package.path + "/../shared/corpus"])
            .first { Files.exists($0 + "/samples/MANIFEST.tsv") }.map(Corpus.init)
    }()

    public static let isAbsent: Comment =
        "the corpus is absent: set PACSFS_CORPUS to its directory"

    /// Its two sets of files, each a folder.
    public static let sets = ["samples", "series"]

    /// A file, with the results of two other readers.
    public struct Entry: Sendable {
        /// From the folder of its set.
        public let path: String
        /// From the corpus's root.
        public let pathFromRoot: String
        let file: String
        public let sha256: String
        /// "valid", "odd" or "malformed".
        public let verdict: String
        /// Whether two programs other than pacsfs could read it.
        public let isCrossChecked: Bool
        /// The correct value of each attribute by its keyword; `nil` when the file does not have
        /// it.
        public let expected: [String: String?]

        public var isValidAndCrossChecked: Bool { isCrossChecked && verdict == "valid" }

        public func bytes() throws -> [UInt8] { try Files.read(file) }
    }

    /// The entries of a set, or of both.
    public func entries(_ set: String) throws -> [Entry] {
        var verdicts: [String: String] = [:]
        for line in try Files.text("\(root)/\(set)/MANIFEST.tsv").split(separator: "\n").dropFirst()
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
            for (key, value) in object where !Self.aboutTheFile.contains(key) {
                expected.updateValue(best[key] ?? value as? String, forKey: key)
            }
            return Entry(
                path: path, pathFromRoot: "\(set)/\(path)", file: "\(root)/\(set)/\(path)",
                sha256: try #require(object["sha256"] as? String),
                verdict: verdicts[path] ?? "unknown",
                isCrossChecked: object["cross_checked"] as? Bool ?? false, expected: expected)
        }
    }

    public func entries() throws -> [Entry] { try Self.sets.flatMap(entries) }

    /// The entries of EXPECTED.jsonl about the file itself, not its attributes.
    private static let aboutTheFile: Set<String> = [
        "path", "sha256", "bytes", "cross_checked", "disagree", "unchecked", "best", "readers",
    ]
}
