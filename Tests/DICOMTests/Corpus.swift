import DICOM
import Foundation

/// The collection of real DICOM files, with the results of other readers.
struct Corpus {
    let root: URL

    /// `PACSFS_CORPUS`, or `../shared/corpus` next to the package; `nil` when it is absent.
    static let shared: Corpus? = {
        var candidates: [URL] = []
        if let path = ProcessInfo.processInfo.environment["PACSFS_CORPUS"] {
            candidates.append(URL(fileURLWithPath: path))
        }
        var directory = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        while directory.path != "/" {
            let manifest = directory.appendingPathComponent("Package.swift")
            if FileManager.default.fileExists(atPath: manifest.path) {
                candidates.append(directory.appendingPathComponent("../shared/corpus"))
                break
            }
            directory.deleteLastPathComponent()
        }
        return candidates.map(Corpus.init).first {
            FileManager.default.fileExists(atPath: $0.root.appendingPathComponent("samples").path)
        }
    }()

    static let isAbsent = "the corpus is absent: set PACSFS_CORPUS to its directory"

    /// One file and what is known about it.
    struct Entry {
        let path: String
        let url: URL
        /// valid, odd or malformed
        let verdict: String
        let isCrossChecked: Bool
        /// The values on which two other readers agree; an absent attribute is absent here.
        let expected: [Attribute: String]
        /// The attributes that the other readers know.
        let compared: [Attribute]
        /// The attributes on which they differ, or which only one of them could read.
        let doubtful: Set<Attribute>

        func bytes() throws -> [UInt8] { [UInt8](try Data(contentsOf: url)) }
    }

    /// The entries of `samples` or `series`.
    func entries(_ set: String) throws -> [Entry] {
        let folder = root.appendingPathComponent(set)
        let manifest = try String(
            contentsOf: folder.appendingPathComponent("MANIFEST.tsv"), encoding: .utf8)
        var verdicts: [String: String] = [:]
        for line in manifest.split(separator: "\n").dropFirst() {
            let columns = line.split(separator: "\t", omittingEmptySubsequences: false)
            verdicts[String(columns[0])] = String(columns[5])
        }
        let lines = try Data(contentsOf: folder.appendingPathComponent("EXPECTED.jsonl"))
        return try lines.split(separator: UInt8(ascii: "\n")).map { line in
            let object = try JSONSerialization.jsonObject(with: line) as? [String: Any] ?? [:]
            let path = object["path"] as? String ?? ""
            let best = object["best"] as? [String: String] ?? [:]
            let disagree = object["disagree"] as? [String: Any] ?? [:]
            let unchecked = object["unchecked"] as? [String] ?? []
            let compared = Attribute.allCases.filter { object[$0.keyword] != nil }
            var expected: [Attribute: String] = [:]
            for attribute in compared {
                expected[attribute] =
                    best[attribute.keyword] ?? object[attribute.keyword] as? String
            }
            return Entry(
                path: path, url: folder.appendingPathComponent(path),
                verdict: verdicts[path] ?? "unknown",
                isCrossChecked: object["cross_checked"] as? Bool ?? false, expected: expected,
                compared: compared,
                doubtful: Set(
                    (Array(disagree.keys) + unchecked).compactMap { Attribute(keyword: $0) }))
        }
    }
}
