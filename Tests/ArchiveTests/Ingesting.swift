import TestSupport
import Archive
import Storage
import SyntheticStudy
import TemporaryArchive
import Testing

/// What `ingest` must have answered.
extension Result<IngestOutcome, ArchiveError> {
    /// `instance.id` of an image that was archived.
    var archived: Int64? { if case .success(.archived(let id, _)) = self { id } else { nil } }
    var duplicate: Int64? { if case .success(.duplicate(let id)) = self { id } else { nil } }
    var refusal: String? { if case .success(.refused(let reason)) = self { reason } else { nil } }
    var error: ArchiveError? { if case .failure(let error) = self { error } else { nil } }
}

extension TemporaryArchive {
    /// Archives images in a run of its own.
    @discardableResult
    func archive(_ images: [[UInt8]]) throws -> [Int64] {
        try open { archive in
            try images.map { try #require(archive.ingest($0, in: folder).archived) }
        }
    }

    /// Expects every volume to hold exactly these blobs, whole, and a ledger that verifies.
    func expectBlobs(_ images: [[UInt8]], sourceLocation: SourceLocation = #_sourceLocation) throws
    {
        let digests = images.map(Digest.of)
        let expected = digests.map {
            blobName($0.hex)
        }.sorted()
        var heads: Set<Digest> = []
        for number in 1...volumes.count {
            #expect(
                try files(below: volumes[number - 1] + "/blobs") == expected,
                sourceLocation: sourceLocation)
            for (image, digest) in zip(images, digests) {
                #expect(
                    try contents(of: blob(digest, on: number)) == image,
                    sourceLocation: sourceLocation)
            }
            #expect(try staged(on: number) == [], sourceLocation: sourceLocation)
            let volume = try volume(number)
            let ledger = try strictReading(of: volume)
            #expect(ledger.fault == nil && ledger.tornTail == nil, sourceLocation: sourceLocation)
            heads.insert(ledger.end.head)
        }
        #expect(heads.count == 1, "the ledgers differ", sourceLocation: sourceLocation)
    }

    /// The names in `staging/commit`.
    func staged(on number: Int) throws -> [String] {
        try files(below: volumes[number - 1] + "/staging/commit")
    }

    /// How many records of each kind a ledger has.
    func kinds(on number: Int = 1) throws -> [String: Int] {
        try ledger(on: number).reduce(into: [:]) { $0[$1.entry.kind, default: 0] += 1 }
    }
}

/// Some images of one series.
func series(seed: UInt64 = 1, images: Int = 3) -> [[UInt8]] {
    SyntheticStudy(
        seed: seed, modality: .computedTomography, series: 1, imagesPerSeries: images, side: 16
    )
    .images().map { $0.write() }
}

/// What a strict reading of a volume's whole ledger finds.
func strictReading(
    of volume: Volume
) throws -> (end: LedgerPosition, fault: LedgerFault?, tornTail: TornTail?) {
    var chain = try LedgerChain(
        volume: volume, site: Ledger.site(archive: volume.identity.archive), policy: .strict)
    while try chain.next() != nil {}
    return (chain.position, chain.fault, chain.tornTail)
}

extension Health {
    /// Whether there is nothing to say but that a test has both volumes in one folder.
    var isWellOnOneDisk: Bool {
        level == .attention && reasons.count == 1 && reasons[0].contains("are on one disk (")
    }
}
