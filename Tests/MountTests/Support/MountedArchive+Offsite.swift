import Archive
import Foundation
import JSON
import Offsite
import OffsiteSupport
import Storage
import SyntheticStudy
import TestSupport
import Testing

extension MountedArchive {
    /// Adds a remote. Of an encrypted one the keys count as printed.
    func addRemote(_ remote: TestRemote, _ name: String = "away", isEncrypted: Bool = false) throws
    {
        let options = isEncrypted ? ["--encrypt"] : []
        let run = try run(
            [PacsfsProgram.path ?? "", "offsite", "add", name, remote.written] + options,
            environment: ["PACSFS_ARCHIVE": archive])
        try #require(run.succeeded, "\(run.report)")
        if isEncrypted { try confirmSheet(name) }
    }

    /// Imports series of images of the same size.
    func importSeries(_ seeds: ClosedRange<UInt64>, images: Int = 2, pixels: Int = 32) throws {
        for seed in seeds {
            for number in 1...images {
                var image = SyntheticImage(seed: seed)
                image.sopInstanceUID += ".\(number)"
                image.number = number
                image.picture = .thorax(
                    rows: pixels, columns: pixels, seed: seed &* 100 + UInt64(number))
                try Files.write(image.write(), to: "\(work)/series/\(seed)/\(number).dcm")
            }
        }
        try handOver()
        let run = try pacsfs("import", work + "/series")
        try #require(run.succeeded, "\(run.report)")
    }

    func confirmSheet(_ name: String) throws {
        var secrets = try RemoteSecrets(name, of: archive)
        secrets.sheet = .now()
        try secrets.write(in: archive)
    }

    /// What `status` says of a remote.
    func remoteStatus(_ name: String = "away") throws -> [String: Any] {
        let run = try pacsfs("offsite", "list", "--json")
        let document = try JSONSerialization.jsonObject(with: Data(run.output.utf8))
        let remotes = (document as? [String: Any])?["remotes"] as? [[String: Any]] ?? []
        return try #require(remotes.first { $0["name"] as? String == name }, "\(run.report)")
    }

    /// Access to a remote with the keys of the archive.
    func remoteAccess(_ name: String = "away") throws -> RemoteAccess {
        try RemoteAccess(RemoteSecrets(name, of: archive).configuration(), Rclone())
    }

    /// Downloads a remote whole, and compares it with everything that the ledger says is there:
    /// each object, and each blob in it.
    ///
    /// - Returns: The digests of the blobs that are there.
    @discardableResult
    func auditRemote(
        _ name: String = "away", sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> Set<String> {
        let site = try #require(
            FileManager.default.contentsOfDirectory(atPath: volumes[0] + "/ledger").first)
        var sizes: [String: Int64] = [:]
        var objects: [String: JSONObject] = [:]
        for segment in try FileManager.default.contentsOfDirectory(
            atPath: volumes[0] + "/ledger/" + site
        ).sorted() {
            let text = try Files.text("\(volumes[0])/ledger/\(site)/\(segment)")
            for line in text.split(separator: "\n") {
                let record = try #require(JSONParser.value(of: Array(line.utf8)).object)
                let isOfIt = record["remote"]?.string == name
                switch record["kind"]?.string {
                case "ingest": sizes[record["sha256"]?.string ?? ""] = record["bytes"]?.int
                case "remote" where isOfIt: objects = [:]
                case "offsite" where isOfIt: objects[record["object"]?.string ?? ""] = record
                case "offsitecheck" where isOfIt, "offsiteproof" where isOfIt:
                    for fault in record["faults"]?.array ?? [] {
                        objects[fault.array?.first?.string ?? ""] = nil
                    }
                default: break
                }
            }
        }
        // After the ledger, which goes on meanwhile: what it says now is there already.
        let copy = try TemporaryFolder()
        try remoteAccess(name).download(to: copy.path("all"), isWhole: false)
        var found: Set<String> = []
        for (name, record) in objects {
            let path = copy.path("all/" + name)
            guard let content = FileManager.default.contents(atPath: path) else {
                Issue.record("\(name) is believed to be there", sourceLocation: sourceLocation)
                continue
            }
            let bytes = Array(content)
            #expect(Int64(bytes.count) == record["bytes"]?.int, sourceLocation: sourceLocation)
            func expectBlob(_ digest: String, _ offset: Int) {
                let size = Int(sizes[digest] ?? -1)
                let end = offset + size
                #expect(
                    size >= 0 && end <= bytes.count
                        && Digest.of(Array(bytes[offset..<end])).hex == digest,
                    "\(digest) in \(name)", sourceLocation: sourceLocation)
                found.insert(digest)
            }
            if name.hasPrefix("blobs/") { expectBlob(String(name.suffix(68).prefix(64)), 0) }
            for pair in record["blobs"]?.array ?? [] {
                expectBlob(
                    pair.array?.first?.string ?? "", Int(pair.array?.last?.int ?? -1))
            }
        }
        return found
    }
}
