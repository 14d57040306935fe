import Foundation
import JSON
import Naming
import Storage
import TagIndex

/// Which volume should hold what, as the records of a ledger tell it.
///
/// The records of an archive do not fit into memory. They go to an unnamed file, sorted by the
/// first byte of the digest as they come, and are resolved one 256th at a time.
final class RecordedCopies {
    /// A blob and the volumes that should hold it.
    struct Blob {
        var digest: Digest
        /// Its size; `nil` when no record says it.
        var bytes: Int64?
        /// For each volume, the record that says so.
        var holders: [Int: Int64] = [:]
    }

    /// What a record says of one copy.
    private struct Claim {
        enum Kind: UInt8 {
            case stored = 1
            case damaged
        }

        static let size = 32 + 8 + 8 + 4 + 1

        var digest: Digest
        /// -1 where the record does not say it.
        var bytes: Int64
        var record: Int64
        var volume: Int32
        var kind: Kind
    }

    private struct Bucket {
        /// Where its full portions lie in the file.
        var portions: [Int64] = []
        /// What has not been written yet.
        var rest: [UInt8] = []
    }

    /// A portion has whole claims.
    private static let portion = Claim.size * 80

    private let file: FileHandle
    private var end: Int64 = 0
    private var buckets = Array(repeating: Bucket(), count: 256)
    /// From which record on nothing is expected on a volume any more.
    private var retired: [Int: Int64] = [:]
    private var resolved: (folder: UInt8, blobs: [Blob])?
    /// How many blobs have a record.
    private(set) var ingested: Int64 = 0
    /// Bytes that all good copies together should have, as far as records say it.
    private(set) var bytesOnVolume: [Int: Int64] = [:]

    /// - throws: ``ArchiveError`` when there is no room for a file
    init() throws {
        let folder = FileManager.default.temporaryDirectory.path
        let name = "\(folder)/pacsfs-verify-\(VolumeIdentity.randomIdentifier())"
        let descriptor = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw ArchiveError(
                .storage,
                "A temporary file cannot be made in \(folder): \(String(cString: strerror(errno))). Name another folder in $TMPDIR."
            )
        }
        unlink(name)
        file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    }

    // MARK: Taking records in

    /// Takes in what a record says of copies.
    ///
    /// - returns: false when the record lacks something
    @discardableResult
    func add(_ record: LedgerRecord) throws -> Bool {
        let body = record.entry.body
        func ordinals(_ key: String) -> [Int] {
            body[key]?.array?.compactMap { $0.int.map(Int.init) } ?? []
        }
        func digest(_ value: JSONValue?) -> Digest? { value?.string.flatMap { Digest(hex: $0) } }
        func claim(_ kind: Claim.Kind, _ digest: Digest, _ volume: Int, bytes: Int64 = -1) throws {
            try add(
                Claim(
                    digest: digest, bytes: bytes, record: record.number,
                    volume: Int32(clamping: volume),
                    kind: kind))
        }
        switch record.entry.kind {
        case "ingest":
            guard let digest = digest(body["sha256"]), let bytes = body["bytes"]?.int, bytes >= 0,
                body["on"]?.array != nil
            else { return false }
            ingested += 1
            for volume in ordinals("on") {
                bytesOnVolume[volume, default: 0] += bytes
                try claim(.stored, digest, volume, bytes: bytes)
            }
        case "duplicate":
            guard let digest = digest(body["sha256"]) else { return false }
            for volume in ordinals("verified") + ordinals("healed") {
                try claim(.stored, digest, volume)
            }
        case "damage":
            guard let digest = digest(body["sha256"]), let volume = body["volume"]?.int else {
                return false
            }
            try claim(.damaged, digest, Int(volume))
        case "copies":
            guard let list = body["sha256"]?.array, let volume = body["volume"]?.int else {
                return false
            }
            for value in list {
                guard let digest = digest(value) else { return false }
                try claim(.stored, digest, Int(volume))
            }
        case "volume":
            guard let volume = body["volume"]?.int, let operation = body["op"]?.string else {
                return false
            }
            if operation == "retired" || operation == "replace" {
                retired[Int(volume)] = record.number
            }
        case "paths": return PathsRecord(record.entry) != nil
        case "views": return View.list(body) != nil
        default: break
        }
        return true
    }

    private func add(_ claim: Claim) throws {
        resolved = nil
        let bytes = claim.digest.bytes
        let folder = Int(bytes[0])
        buckets[folder].rest += bytes
        for word in [claim.bytes, claim.record] {
            withUnsafeBytes(of: word.littleEndian) { buckets[folder].rest += $0 }
        }
        withUnsafeBytes(of: claim.volume.littleEndian) { buckets[folder].rest += $0 }
        buckets[folder].rest.append(claim.kind.rawValue)
        guard buckets[folder].rest.count == Self.portion else { return }
        try file.seek(toOffset: UInt64(end))
        try file.write(contentsOf: buckets[folder].rest)
        buckets[folder].portions.append(end)
        buckets[folder].rest.removeAll(keepingCapacity: true)
        end += Int64(Self.portion)
    }

    // MARK: Asking

    /// The blobs that records know whose digest begins with a byte, in the order of digests.
    func blobs(in folder: UInt8) throws -> [Blob] {
        if let resolved, resolved.folder == folder { return resolved.blobs }
        var blobs: [Digest: Blob] = [:]
        try forEachClaim(in: folder) { claim in
            var blob = blobs[claim.digest] ?? Blob(digest: claim.digest)
            if claim.bytes >= 0, blob.bytes == nil { blob.bytes = claim.bytes }
            let volume = Int(claim.volume)
            switch claim.kind {
            case .stored: blob.holders[volume] = claim.record
            case .damaged: blob.holders[volume] = nil
            }
            blobs[claim.digest] = blob
        }
        let sorted = blobs.values.sorted { $0.digest < $1.digest }.map { blob in
            var blob = blob
            blob.holders = blob.holders.filter { $0.value > retired[$0.key] ?? 0 }
            return blob
        }
        resolved = (folder, sorted)
        return sorted
    }

    /// The blobs that should be in an outer folder of a volume, in the order of digests.
    func expected(in folder: UInt8, on volume: Int) throws -> [ExpectedBlob] {
        try blobs(in: folder).compactMap { blob in
            guard blob.holders[volume] != nil, let bytes = blob.bytes else { return nil }
            return ExpectedBlob(digest: blob.digest, bytes: bytes)
        }
    }

    /// What the records say of one blob; `nil` when none names it.
    func blob(_ digest: Digest) throws -> Blob? {
        let blobs = try blobs(in: digest.bytes[0])
        var range = blobs.startIndex..<blobs.endIndex
        while !range.isEmpty {
            let middle = range.lowerBound + range.count / 2
            if blobs[middle].digest == digest { return blobs[middle] }
            range =
                blobs[middle].digest < digest
                ? middle + 1..<range.upperBound : range.lowerBound..<middle
        }
        return nil
    }

    private func forEachClaim(in folder: UInt8, _ body: (Claim) -> Void) throws {
        let bucket = buckets[Int(folder)]
        func all(_ bytes: some Collection<UInt8>) {
            let bytes = Array(bytes)
            bytes.withUnsafeBytes { bytes in
                for start in stride(from: 0, to: bytes.count, by: Claim.size) {
                    let digest = Digest(
                        bytes: UnsafeRawBufferPointer(rebasing: bytes[start..<start + 32]))
                    let kind = Claim.Kind(rawValue: bytes[start + 52])
                    guard let digest, let kind else { continue }
                    body(
                        Claim(
                            digest: digest,
                            bytes: Int64(
                                littleEndian: bytes.loadUnaligned(
                                    fromByteOffset: start + 32, as: Int64.self)),
                            record: Int64(
                                littleEndian: bytes.loadUnaligned(
                                    fromByteOffset: start + 40, as: Int64.self)),
                            volume: Int32(
                                littleEndian: bytes.loadUnaligned(
                                    fromByteOffset: start + 48, as: Int32.self)),
                            kind: kind))
                }
            }
        }
        for offset in bucket.portions {
            try file.seek(toOffset: UInt64(offset))
            all(try file.read(upToCount: Self.portion) ?? Data())
        }
        all(bucket.rest)
    }
}
