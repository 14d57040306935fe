import Storage

/// One volume in a verification; used by one thread.
final class VolumeCheck {
    let volume: InspectedVolume
    let identity: VolumeIdentity?
    /// Its ledger as far as it was read; `nil` when it has none.
    var ledger: LedgerChain?
    /// Whether its ledger has the last record that the index took in; `nil` when it ends before.
    var agreesWithIndex: Bool?
    /// Where the noted head is, and where the record of the noted number is.
    var notedAt: Place?
    var placeOfNotedNumber: Place?
    var goodBlobs: Int64 = 0
    var goodBytes: Int64 = 0

    /// Where a record is.
    struct Place {
        var file: String
        var line: Int
        var record: Int64
    }

    init(_ volume: InspectedVolume) {
        self.volume = volume
        identity = try? volume.identity.get()
    }

    var path: String { volume.path }
    var ordinal: Int? { identity?.ordinal }
    /// The archive it belongs to.
    var archive: String? { identity?.archive }

    /// After the last good record.
    var end: LedgerPosition { ledger?.position ?? .start }
    var fault: LedgerFault? { ledger?.fault }
    var tornTail: TornTail? { ledger?.tornTail }

    /// Where the last record is that was read.
    var place: Place {
        Place(
            file: ledger?.path(end.segment) ?? path, line: (ledger?.line ?? nil) ?? 0,
            record: end.number)
    }

    var summary: VerificationReport.Volume {
        VerificationReport.Volume(
            path: path, ordinal: ordinal, records: end.number, head: end.head.hex,
            goodBlobs: goodBlobs, goodBytes: goodBytes)
    }
}

extension VolumeCheck {
    /// Where a blob should be.
    func path(of digest: Digest) -> String {
        let hex = digest.hex
        return "\(path)/blobs/\(hex.prefix(2))/\(hex.dropFirst(2).prefix(2))/\(hex).dcm"
    }
}
