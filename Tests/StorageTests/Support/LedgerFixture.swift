import TestSupport
import Foundation
import Testing

@testable import Storage

let site = "6f1d9c1e"

/// An entry that is the same for the same number.
func entry(_ number: Int, padding: Int = 0) -> LedgerEntry {
    LedgerEntry(
        kind: "ingest", by: "test", time: Timestamp(nanoseconds: Int64(number) * 1_000_000_007),
        body: [
            "sha256": .string(Digest.of(content(UInt64(number), count: 8)).hex),
            "bytes": .int(Int64(number) * 1000), "name": .string("Müller^犬 \"\(number)\""),
            "padding": .string(String(repeating: "x", count: padding)),
        ])
}

func segmentPath(_ volume: Volume, _ segment: Int = 1) -> String {
    volume.path + "/ledger/\(site)/" + LedgerFolder.name(segment)
}

/// The bytes of a volume's ledger, segment by segment.
func ledgerBytes(_ volume: Volume) throws -> [String: [UInt8]] {
    let path = volume.path + "/ledger/\(site)"
    return try Dictionary(
        uniqueKeysWithValues: files(below: path).map { ($0, try read(path + "/" + $0)) })
}

/// All records of a volume's ledger.
func records(
    _ volume: Volume, from position: LedgerPosition = .start
) throws -> [LedgerRecord] {
    var reader = try LedgerReader(volume: volume, site: site, from: position)
    var records: [LedgerRecord] = []
    while let record = try reader.next() { records.append(record) }
    return records
}
