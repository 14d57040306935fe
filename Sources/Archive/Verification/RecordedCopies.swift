import Foundation
import Naming
import Storage
import System
import TagIndex

/// The copies that each volume should hold, by the records of a ledger.
///
/// The records of an archive do not fit into memory. They go to an unnamed file, sorted by the
/// first byte of the digest as they come, and are resolved one 256th at a time.
final class RecordedCopies {
    /// A blob and the volumes that should hold it.
    struct Blob {
        var digest: Digest
        /// Its size; `nil` when no record has it.
        var bytes: Int64?
        /// For each volume, the number of the record that says so.
        var holders: [Int: Int64] = [:]
    }

    /// A record's statement about one copy.
    private struct Claim {
        enum Kind: UInt8 {
            case stored = 1
            case damaged
        }

        static let size = 32 + 8 + 8 + 4 + 1

        var digest: Digest
        /// The size of the blob; -1 where the record does not have it.
        var bytes: Int64
        var record: Int64
        var volume: Int32
        var kind: Kind
    }

    private struct Bucket {
        /// Where its full portions lie in the file.
        var portions: [Int64] = []
        /// Claims that are not in the file yet.
        var rest: [UInt8] = []
    }

    /// A portion has whole claims.
    private static let portion = Claim.size * 80

    private let file: FileHandle
    private var end: Int64 = 0
    private var buckets = Array(repeating: Bucket(), count: 256)
    /// For each volume that left the archive, the record from which on nothing is expected on it.
    private var retired: [Int: Int64] = [:]
    private var resolved: (folder: UInt8, blobs: [Blob])?
    /// How many blobs have a record.
    private(set) var ingested: Int64 = 0
    /// Bytes that all good copies of a volume together should have, as far as records have sizes.
    private(set) var bytesOnVolume: [Int: Int64] = [:]

    /// - Throws: ``ArchiveError`` when a temporary file cannot be made.
    init() throws {
        let folder = FileManager.default.temporaryDirectory.path
        let name = "\(folder)/pacsfs-verify-\(VolumeIdentity.randomIdentifier())"
        let descriptor = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw ArchiveError(
                .storage,
                """
                A temporary file cannot be made in \(folder): \
                \(Errno.last). Name another folder in $TMPDIR.
                """
            )
        }
        unlink(name)
        file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    }

    // MARK: Taking records in

    /// Takes in an event.
    ///
    /// - Parameter record: The number of its record.
    /// - Throws: `CocoaError` when there is no room left for the temporary file.
    func add(_ event: LedgerEvent, record: Int64) throws {
        func claim(
            _ kind: Claim.Kind, _ digest: Digest, _ volume: Int, bytes: Int64 = -1
        ) throws {
            try add(
                Claim(
                    digest: digest, bytes: bytes, record: record, volume: Int32(clamping: volume),
                    kind: kind))
        }
        switch event {
        case .ingest(let event):
            guard let digest = Digest(bytes: event.image.sha256) else { return }
            ingested += 1
            for volume in event.image.volumes {
                bytesOnVolume[volume, default: 0] += event.image.bytes
                try claim(.stored, digest, volume, bytes: event.image.bytes)
            }
        case .duplicate(let event):
            for volume in event.verified + event.healed {
                try claim(.stored, event.digest, volume)
            }
        case .damage(let event): try claim(.damaged, event.digest, event.volume)
        case .copies(let event):
            for digest in event.digests { try claim(.stored, digest, event.volume) }
        case .volume(let event) where event.isDeparture: retired[event.ordinal] = record
        case .volume, .views, .paths, .series, .reject, .scrub, .search: break
        case .remote, .offsite, .offsiteCheck, .offsiteProof, .wipeTest, .drill: break
        }
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

    /// One blob by the records; `nil` when none names it.
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
