import Storage
import TagIndex

// What was set aside with the ledger: each file is on some volume, and has the bytes that were
// rejected wherever it is.
extension Verification {
    func checkRejected(
        of volumes: [VolumeCheck], _ rejected: RecordedRejections, _ copies: RecordedCopies
    ) throws {
        let digests = Set(rejected.files.map(\.digest))
        for file in rejected.files {
            if shouldStop() { return }
            // Archived since: it was moved back into incoming, or came again from elsewhere.
            if try copies.blob(file.digest) != nil { continue }
            var isFound = false
            for check in volumes {
                let state = check.volume.state(
                    ofRejected: file.path, file.digest, bytes: file.bytes,
                    isOther: digests.contains)
                switch state {
                case .good: isFound = true
                case .missing: break
                case .altered(let path):
                    isFound = true
                    add(
                        .fault, check, file: "\(check.path)/\(path)", record: file.record,
                        """
                        The file that was set aside was altered: its content is not what the \
                        record names.
                        """
                    )
                case .unreadable(let path, let error):
                    isFound = true
                    add(
                        .fault, check, file: "\(check.path)/\(path)", record: file.record,
                        "The file that was set aside cannot be read: \(error)")
                }
            }
            if !isFound, isWhole, volumes.count == places.count, !isInUse {
                add(
                    .attention, nil, file: "rejected/\(file.path)", record: file.record,
                    """
                    The file that was set aside is on no volume. If nobody removed it from there, \
                    it is lost.
                    """
                )
            }
        }
    }
}

/// The files that were set aside, by the records of a ledger: for each content the last place.
struct RecordedRejections {
    struct File {
        var digest: Digest
        var bytes: Int64
        /// Below `rejected`.
        var path: String
        /// The number of the record.
        var record: Int64
    }

    private var byDigest: [Digest: File] = [:]

    /// In the order of their records.
    var files: [File] { byDigest.values.sorted { $0.record < $1.record } }

    mutating func add(_ event: LedgerEvent, record: Int64) {
        guard case .reject(let event) = event, let digest = Digest(bytes: event.sha256) else {
            return
        }
        byDigest[digest] = File(
            digest: digest, bytes: event.bytes, path: event.path, record: record)
    }
}
