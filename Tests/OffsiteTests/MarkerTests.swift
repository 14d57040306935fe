import Foundation
import OffsiteSupport
import Storage
import TestSupport
import Testing

@testable import Offsite

/// Whose a remote is, and where everything lies on it.
@Suite("A remote's marker", .mayNotHang) struct MarkerTests {
    private static let archive = "6f1d9c1e-8a50-4c7e-9d55-2f6f0a1c3b7d"
    private static let time = Timestamp(nanoseconds: 1_795_313_152_123_456_789)

    @Test(
        "is written to an empty remote, found again, and tells wrong keys from an empty remote",
        arguments: [RemoteKind.folder, .sftp], [false, true])
    func claim(kind: RemoteKind, isEncrypted: Bool) throws {
        let remote = try TestRemote(kind)
        let keys = isEncrypted ? CryptKeys.generated() : nil
        let access = try remote.access(keys: keys)
        #expect(try access.contents() == .empty)
        let marker = try access.claim(for: Self.archive, at: Self.time)
        #expect(marker == OffsiteMarker(archive: Self.archive, created: Self.time))
        #expect(marker.site == "6f1d9c1e")
        // A second claim finds the first.
        let later = Timestamp(nanoseconds: Self.time.nanoseconds + 1)
        #expect(try access.claim(for: Self.archive, at: later) == marker)
        #expect(try access.contents() == .archive(marker))
        // The text for people is there in the open.
        var text: [UInt8] = []
        try remote.access().fetch(OffsiteLayout.readme) { text.append(contentsOf: $0) }
        #expect(String(decoding: text, as: UTF8.self).contains("sha256sum"))

        func expect(_ fault: OffsiteFault, _ body: () throws -> Void) {
            let error = #expect(throws: OffsiteError.self) { try body() }
            #expect(error?.code == fault, "\(String(describing: error))")
        }
        expect(.configuration) {
            _ = try access.claim(for: "00000000-0000-0000-0000-000000000000", at: later)
        }
        expect(.wrongKeys) { _ = try remote.access(keys: .generated()).contents() }
        if isEncrypted {
            expect(.configuration) { _ = try remote.access().contents() }
        }
    }

    @Test("is refused where something else lies, or a newer pacsfs was") func foreign() throws {
        let remote = try TestRemote(.folder)
        let access = try remote.access()
        try access.put(Array("x".utf8), to: "holiday/photo.jpg", hash: nil)
        #expect(throws: OffsiteError.self) { try access.claim(for: Self.archive, at: Self.time) }
        let newer = #"{"format":2,"archive":"a","site":"a","created":"\#(Self.time)"}"#
        try access.put(Array(newer.utf8), to: OffsiteLayout.marker, hash: nil)
        let error = #expect(throws: OffsiteError.self) { try access.contents() }
        #expect(error?.remedy == "Update pacsfs.")
    }

    @Test("Names of objects are read back, and nothing else is taken for one") func names() {
        let digest = Digest.of(Array("abc".utf8))
        #expect(OffsiteLayout.segment(4, site: "6f1d9c1e") == "ledger/6f1d9c1e/000004.jsonl")
        #expect(OffsiteLayout.number(ofSegment: "ledger/6f1d9c1e/000004.jsonl") == 4)
        let tail = OffsiteLayout.tail(7...1_000_000, site: "6f1d9c1e")
        #expect(tail == "ledger/6f1d9c1e/tail/000000000007-000001000000.jsonl")
        #expect(OffsiteLayout.records(ofTail: tail) == 7...1_000_000)
        for name in [
            "ledger/6f1d9c1e/4.jsonl", tail, "ledger/000004.jsonl", "ledger/a/b/000004.jsonl",
        ] {
            #expect(OffsiteLayout.number(ofSegment: name) == nil)
        }
        for name in [
            "ledger/a/tail/7-8.jsonl", "ledger/a/tail/000000000008-000000000007.jsonl",
            "ledger/a/tail/000000000007.jsonl", "ledger/a/000004.jsonl",
        ] {
            #expect(OffsiteLayout.records(ofTail: name) == nil)
        }
        #expect(
            OffsiteLayout.reason(digest) == "rejected/ba/\(digest.hex).reason.txt")
        #expect(
            OffsiteLayout.configuration(Self.time, digest)
                == "configuration/20261122T020552-\(digest.hex).toml")
    }
}
