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
    var reader = try LedgerChain(volume: volume, site: site, from: position)
    var records: [LedgerRecord] = []
    while let record = try reader.next() { records.append(record) }
    return records
}

/// What a strict reading of a volume's whole ledger finds.
struct StrictReading: Equatable {
    var end: LedgerPosition
    var fault: LedgerFault?
    var tornTail: TornTail?

    /// - Parameter expected: Where the ledger must end; `nil` accepts any end. Without it a change
    ///   of the last record cannot be seen, because no record follows it.
    init(_ volume: Volume, expected: LedgerPosition? = nil) throws {
        var chain = try LedgerChain(volume: volume, site: site, policy: .strict)
        while try chain.next() != nil {}
        (end, fault, tornTail) = (chain.position, chain.fault, chain.tornTail)
        if fault == nil, let expected, end.number != expected.number || end.head != expected.head {
            fault = LedgerFault(
                segment: end.segment, line: nil, offset: end.offset,
                expectedNumber: expected.number, reason: "not the end that was expected")
        }
    }
}
