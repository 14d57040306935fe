import Foundation
import Programs
import Storage

/// Checks the volumes of an archive after asking `pacsfs status`. It uses the formats of pacsfs,
/// and none of its code.
struct ArchiveCheck {
    private let archive: TestArchive
    private(set) var problems: [String] = []
    /// Digests that the ledger says are archived.
    private(set) var recorded: Set<String> = []

    private struct Status: Decodable {
        struct Copies: Decodable { var under_replicated: Int }
        struct Volume: Decodable { var state: String }
        var instances: Int
        var copies: Copies
        var volumes: [Volume]
    }

    private struct Details: Decodable {
        struct Copy: Decodable { var volume: Int }
        var copies: [Copy]
        var paths: [String]
    }

    /// - Parameters:
    ///   - acknowledged: Files that must be there, on both volumes.
    ///   - allowsOrphans: Whether good blobs without a record, and blobs that were moved to
    ///     `rejected`, are accepted: after a power cut there may be some.
    init(
        _ archive: TestArchive, acknowledged: [TestArchive.Source], allowsOrphans: Bool = false
    ) throws {
        self.archive = archive
        let run = try archive.pacsfs(["status", "--json"])
        if !run.succeeded { problems.append("pacsfs status: \(run.report)") }
        let ledgers = try archive.volumes.map { try ledger($0) }
        if ledgers[0] != ledgers[1] { problems.append("the ledgers of the volumes differ") }
        let blobs = try archive.volumes.map { try self.blobs($0) }
        let rejected = try archive.volumes.map { try self.rejected($0, allowsBad: allowsOrphans) }
        for (volume, found) in zip(archive.volumes, blobs) {
            for digest in recorded.subtracting(found) {
                problems.append("\(digest) is in the ledger and not on \(volume)")
            }
            for digest in found.subtracting(recorded) where !allowsOrphans {
                problems.append("\(digest) is on \(volume) and not in the ledger")
            }
            let staged = try FileManager.default.contentsOfDirectory(
                atPath: volume + "/staging/commit")
            if !staged.isEmpty { problems.append("left in staging/commit of \(volume): \(staged)") }
        }
        for source in [archive.first] + acknowledged {
            let places = source.isImage ? blobs : rejected
            if places.contains(where: { !$0.contains(source.digest) })
                || source.isImage && !recorded.contains(source.digest)
            {
                problems.append("LOST: \(source.path) was said to be safe")
            }
        }
        if let status = try? run.json(Status.self) {
            if status.instances != recorded.count || status.copies.under_replicated != 0
                || status.volumes.contains(where: { $0.state != "online" })
            {
                problems.append(
                    "the ledger has \(recorded.count) images, but status says: \(run.output)")
            }
        }
        if let image = acknowledged.last(where: \.isImage) { try show(image.digest) }
    }

    /// What is wrong if either volume is the only one left and no program has repaired it yet.
    static func problemsOfEachVolumeAlone(
        _ archive: TestArchive, acknowledged: [TestArchive.Source]
    ) throws -> [String] {
        try archive.volumes.flatMap { volume -> [String] in
            var recorded: Set<String> = []
            var previous = String(repeating: "0", count: 64)
            for line in try ledgerBytes(volume).split(separator: UInt8(ascii: "\n")) {
                // Bytes after an unfinished line belong to no record.
                guard
                    let record = try? JSONSerialization.jsonObject(with: Data(line))
                        as? [String: Any],
                    record["prev"] as? String == previous
                else { break }
                previous = Digest.of(Array(line)).hex
                if record["kind"] as? String == "ingest", let digest = record["sha256"] as? String {
                    recorded.insert(digest)
                }
            }
            return acknowledged.filter(\.isImage).compactMap { source in
                let hex = source.digest
                let blob =
                    "\(volume)/blobs/\(hex.prefix(2))/\(hex.dropFirst(2).prefix(2))/\(hex).dcm"
                let isThere = (try? Files.read(blob)).map { Digest.of($0).hex } == hex
                return isThere && recorded.contains(hex)
                    ? nil
                    : "LOST: \(volume) alone has \(isThere ? "no record" : "no copy") of \(source.path)"
            }
        }
    }

    private static func ledgerBytes(_ volume: String) throws -> [UInt8] {
        let folder = volume + "/ledger"
        return try FileManager.default.subpathsOfDirectory(atPath: folder).sorted()
            .filter { $0.hasSuffix(".jsonl") }.flatMap { try Files.read(folder + "/" + $0) }
    }

    /// The ledger of a volume, after following its chain.
    private mutating func ledger(_ volume: String) throws -> [UInt8] {
        let bytes = try Self.ledgerBytes(volume)
        if bytes.last != UInt8(ascii: "\n") {
            problems.append("the ledger of \(volume) ends within a line")
        }
        var (previous, number) = (String(repeating: "0", count: 64), 0)
        for line in bytes.split(separator: UInt8(ascii: "\n")) {
            number += 1
            guard
                let record = try? JSONSerialization.jsonObject(with: Data(line)) as? [String: Any],
                record["n"] as? Int == number, record["prev"] as? String == previous
            else {
                problems.append("the ledger of \(volume) breaks at record \(number)")
                break
            }
            previous = Digest.of(Array(line)).hex
            if record["kind"] as? String == "ingest", let digest = record["sha256"] as? String {
                recorded.insert(digest)
            }
        }
        return bytes
    }

    /// The digests of a volume's blobs, each read and compared with its name.
    private mutating func blobs(_ volume: String) throws -> Set<String> {
        var found: Set<String> = []
        for path in try files(volume + "/blobs") {
            let digest = Digest.of(try Files.read(path)).hex
            if (path as NSString).lastPathComponent != digest + ".dcm" {
                problems.append("\(path) holds other bytes")
            }
            found.insert(digest)
        }
        return found
    }

    /// The digests of the rejected files of a volume.
    private mutating func rejected(_ volume: String, allowsBad: Bool) throws -> Set<String> {
        var found: Set<String> = []
        for path in try files(volume + "/rejected") where !path.hasSuffix(".reason.txt") {
            if path.contains("/torn-ledger/") { continue }
            if path.contains("/bad-blobs/") {
                if !allowsBad { problems.append("a blob was found bad: \(path)") }
                continue
            }
            // A power cut may remove a name and keep a later one. Then the file does not count as
            // rejected.
            if !Files.exists(path + ".reason.txt") {
                if !allowsBad { problems.append("\(path) has no reason") }
                continue
            }
            found.insert(Digest.of(try Files.read(path)).hex)
        }
        return found
    }

    private func files(_ folder: String) throws -> [String] {
        try FileManager.default.subpathsOfDirectory(atPath: folder).map { folder + "/" + $0 }.filter
        {
            var status = stat()
            return lstat($0, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
        }
    }

    private mutating func show(_ digest: String) throws {
        let run = try archive.pacsfs(["show", "--json", digest])
        guard let details = try? run.json(Details.self), details.copies.count == 2,
            !details.paths.isEmpty
        else { return problems.append("LOST from the views: \(run.report)") }
    }

    /// Imports everything again, without faults, and looks whether all of it is there then.
    static func afterSecondImport(_ archive: TestArchive, allowsOrphans: Bool = false) throws
        -> [String]
    {
        let again = try archive.importSources()
        // 1: a file was rejected.
        guard again.run.code == 1, again.acknowledged.count == archive.sources.count else {
            return ["the import does not go through afterwards: \(again.run.report)"]
        }
        return try ArchiveCheck(
            archive, acknowledged: archive.sources, allowsOrphans: allowsOrphans
        ).problems
    }
}
