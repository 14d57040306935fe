import Foundation
import Storage

// The blobs with the ledger: every copy that should be there is there and good, and nothing else.
extension Verification {
    func checkBlobs(
        of volumes: [VolumeCheck], with copies: RecordedCopies, _ reference: VolumeCheck
    ) throws {
        progress.totalBytes = volumes.compactMap(\.ordinal).reduce(0) {
            $0 + (copies.bytesOnVolume[$1] ?? 0)
        }
        for check in volumes {
            guard let ordinal = check.ordinal else { continue }
            let found = BlobDifferences()
            do {
                let end = try check.volume.scan(options).run(
                    expecting: { try copies.expected(in: $0, on: ordinal) }, shouldStop: shouldStop,
                    report: { count($0, on: check, found) })
                if end == .stopped { return }
            } catch let error as StorageError {
                add(
                    .fault, check, file: check.path + "/blobs",
                    "The images cannot be read: \(error)")
            }
            let unexpected = found.unexpected.filter { blob, _ in
                // The other way round, a blob whose record comes at this moment would be reported.
                (try? check.volume.isStaged(blob.digest)) != true
            }
            readAppended(reference, into: copies)
            try report(found.bad, on: check, with: copies)
            try report(unexpected, on: check, with: copies)
        }
        for check in volumes where check !== reference { readAppended(check) }
    }

    /// The blobs that are not as the ledger says.
    private final class BlobDifferences {
        var bad: [(ExpectedBlob, BlobFault)] = []
        var unexpected: [(ExpectedBlob, BlobFault?)] = []
    }

    private func count(_ finding: BlobFinding, on check: VolumeCheck, _ found: BlobDifferences) {
        switch finding {
        case .good(let blob):
            check.goodBlobs += 1
            check.goodBytes += blob.bytes
            progress.files += 1
            progress.bytes += blob.bytes
            tell(progress)
        case .bad(let blob, let fault):
            found.bad.append((blob, fault))
            progress.bytes += blob.bytes
            progress.files += 1
        case .unexpected(let blob, let fault):
            found.unexpected.append((blob, fault))
        case .foreign(let path, let reason):
            add(
                .attention, check, file: "\(check.path)/blobs/\(path)",
                "It is not an image of the archive: \(reason).")
        }
    }

    private func report(
        _ bad: [(ExpectedBlob, BlobFault)], on check: VolumeCheck, with copies: RecordedCopies
    ) throws {
        for (blob, fault) in bad.sorted(by: { $0.0.digest < $1.0.digest }) {
            // The daemon may have healed it meanwhile.
            if isInUse, (try? check.volume.fault(of: blob)) == .some(nil) {
                check.goodBlobs += 1
                check.goodBytes += blob.bytes
                continue
            }
            let record = try copies.blob(blob.digest)?.holders[check.ordinal ?? 0]
            let reason =
                switch fault {
                case .missing: "is not there"
                case .wrongSize(let bytes): "has \(bytes) bytes instead of \(blob.bytes)"
                case .altered: "was altered: its content is not what its name says"
                case .unreadable(let error): "cannot be read: \(error)"
                }
            add(
                .fault, check, file: check.path(of: blob.digest), record: record,
                "The image that the record names \(reason).")
        }
    }

    private func report(
        _ unexpected: [(ExpectedBlob, BlobFault?)], on check: VolumeCheck,
        with copies: RecordedCopies
    ) throws {
        for (blob, fault) in unexpected.sorted(by: { $0.0.digest < $1.0.digest }) {
            let known = try copies.blob(blob.digest)
            if known?.holders[check.ordinal ?? 0] != nil || fault == .missing { continue }
            add(
                .attention, check, file: check.path(of: blob.digest),
                (known == nil
                    ? "No record knows this image"
                    : "No record says that this image is on this volume")
                    + (fault == nil
                        ? "; its content is what its name says."
                        : ", and its content is not what its name says."))
        }
    }
}
