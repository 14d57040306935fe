import Foundation
import Storage
import System

/// What the status says of a drill that its ledger record does not: from the report.
struct DrillNote: Sendable {
    /// SHA-256 of the report.
    var report: [UInt8]
    /// The first thing that did not fit, and what to do.
    var problem: String?
    var fullRestoreS: Int64?

    /// - Parameter digest: SHA-256 of the report.
    init(_ report: DrillReport, digest: [UInt8]) {
        self.report = digest
        problem = report.failures.first?.text
        fullRestoreS = report.fullRestoreS
    }

    /// What is read of a report, whatever else a pacsfs wrote into it.
    private struct Kept: Decodable {
        struct Failure: Decodable {
            var text: String
        }

        var failures: [Failure]
        var fullRestoreS: Int64?

        init(json: [UInt8]) throws {
            let decoder = JSONDecoder()
            decoder.keyDecodingStrategy = .convertFromSnakeCase
            self = try decoder.decode(Self.self, from: Data(json))
        }
    }

    /// Nothing is known: the reports of the archive that this one was restored from may be lost.
    init(unknown digest: [UInt8]) { report = digest }

    /// Looks for the report of a drill.
    ///
    /// - Parameters:
    ///   - digest: SHA-256 of the report.
    ///   - source: What was drilled.
    ///   - archive: The archive's directory.
    init(of digest: [UInt8], _ source: DrillSource, in archive: String) {
        self.init(unknown: digest)
        let folder = "\(archive)/\(DrillKey.folder)"
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        let reports = names.filter { $0.hasSuffix("-\(source.fileName).json") }.sorted()
        // The newest, and those of others whose names end like it.
        for name in reports.suffix(8).reversed() {
            guard let bytes = try? RegularFile.content(of: "\(folder)/\(name)"),
                Digest.of(bytes).bytes == digest, let kept = try? Kept(json: bytes)
            else { continue }
            (problem, fullRestoreS) = (kept.failures.first?.text, kept.fullRestoreS)
            return
        }
    }
}
