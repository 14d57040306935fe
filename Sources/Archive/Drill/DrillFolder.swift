import Foundation
import Storage

/// The reports of all drills. Nothing is ever removed there.
///
/// ```
/// ARCHIVE/drills/<time>-<source>.json        the report, and
///                <time>-<source>.json.sig    its signature: Ed25519 over its bytes
///                <time>-<source>.txt, .html  the same for people
/// ```
struct DrillFolder {
    /// The archive's directory.
    let archive: String

    /// Signs a report and keeps it, durably.
    ///
    /// - Returns: The report as it was signed, and the SHA-256 of its JSON.
    /// - Throws: ``ArchiveError`` with code `file` when it cannot be written.
    func keep(_ report: DrillReport) throws(ArchiveError) -> (DrillReport, Digest) {
        let key = try DrillKey(of: archive)
        var report = report
        report.publicKey = key.publicKey
        let name = Self.name(of: report)
        let json = try report.json
        let page = DrillDocument(report, file: name + ".json")
        let files = try [
            (name + ".json", json), (name + ".json.sig", key.signature(of: json)),
            (name + ".txt", Array(page.text.utf8)), (name + ".html", Array(page.html.utf8)),
        ]
        for (file, bytes) in files {
            do throws(StorageError) {
                try ReplacedFile.writePrivately(
                    bytes, to: file, below: DrillKey.folder, in: archive)
            } catch {
                throw ArchiveError(
                    .file, "The report of a drill cannot be written",
                    path: "\(archive)/\(DrillKey.folder)/\(file)", cause: error,
                    remedy: "Make room on that disk.")
            }
        }
        return (report, Digest.of(json))
    }

    /// `2026-11-28T12-26-00Z-remote-b2`
    static func name(of report: DrillReport) -> String {
        let time = report.ended.description.prefix(19).replacing(":", with: "-")
        return "\(time)Z-\(report.drilled.fileName)"
    }
}

extension DrillReport {
    /// As it is signed: names in snake_case, sorted.
    var json: [UInt8] {
        get throws(ArchiveError) {
            let encoder = JSONEncoder()
            encoder.keyEncodingStrategy = .convertToSnakeCase
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            guard let data = try? encoder.encode(self) else {
                throw ArchiveError(.unexpected, "The report cannot be written as JSON.")
            }
            return Array(data) + [UInt8(ascii: "\n")]
        }
    }
}
