import Foundation
import TestSupport
import Testing

@testable import Storage

@Suite("The ledger", .onEveryFileSystem) struct LedgerTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    @Test("writes lines as the format says, on all volumes") func format() throws {
        let volumes = [try folder.volume(1), try folder.volume(2)]
        let (ledger, _) = try Ledger.open(on: volumes, archive: archive)
        #expect(ledger.site == site)
        #expect(ledger.position == .start)
        let time = Timestamp(nanoseconds: 1_795_313_152_123_456_789)
        let appended = try ledger.append([
            LedgerEntry(kind: "ingest", by: "ann", time: time, body: ["b": 1, "a": ["x"]]),
            LedgerEntry(kind: "drill", by: "bob", time: time, body: [:]),
        ])
        let zeros = String(repeating: "0", count: 64)
        let first =
            #"{"n":1,"prev":"\#(zeros)","t":"2026-11-22T02:05:52.123456789Z","by":"ann","#
            + #""kind":"ingest","b":1,"a":["x"]}"#
        let hash = Digest.of(Array(first.utf8))
        let second =
            #"{"n":2,"prev":"\#(hash)","t":"2026-11-22T02:05:52.123456789Z","by":"bob","#
            + #""kind":"drill"}"#
        for volume in volumes {
            #expect(try text(segmentPath(volume)) == first + "\n" + second + "\n")
        }
        #expect(appended.failures.isEmpty)
        #expect(
            appended.ends == [
                LedgerPosition(
                    segment: 1, offset: Int64(first.utf8.count) + 1, number: 1, head: hash),
                LedgerPosition(
                    segment: 1, offset: Int64(first.utf8.count + second.utf8.count) + 2,
                    number: 2, head: .of(Array(second.utf8))),
            ])
        #expect(ledger.position == appended.ends[1])
    }

    @Test("gives back what was written, from the start and from every position") func read() throws
    {
        let volume = try folder.volume()
        let (ledger, _) = try Ledger.open(on: [volume], archive: archive, segmentLimit: 2000)
        var ends: [LedgerPosition] = [.start]
        for batch in 0..<10 {
            ends += try ledger.append((0..<3).map { entry(batch * 3 + $0) }).ends
        }
        #expect(try ledgerBytes(volume).count > 2)
        let all = try records(volume)
        #expect(all.map(\.entry) == (0..<30).map { entry($0) })
        #expect(all.map(\.number) == Array(1...30))
        #expect(all.map(\.end) == Array(ends.dropFirst()))
        for (index, end) in ends.enumerated() {
            #expect(try records(volume, from: end) == Array(all[index...]))
        }
    }

    @Test("goes on in a new segment, with one chain") func rotation() throws {
        let volume = try folder.volume()
        var (ledger, _) = try Ledger.open(on: [volume], archive: archive, segmentLimit: 1000)
        for number in 0..<20 {
            _ = try ledger.append([entry(number)])
            // Opened again after every record, also where a segment just ended.
            let (again, recovery) = try Ledger.open(
                on: [volume], archive: archive, segmentLimit: 1000)
            #expect(again.position == ledger.position)
            #expect(recovery.volumes.allSatisfy { $0.tornTail == nil && $0.copiedBytes == 0 })
            ledger = again
        }
        let sizes = try ledgerBytes(volume).mapValues(\.count)
        #expect(sizes.keys.sorted().first == "000001.jsonl" && sizes.count > 4)
        let verified = try StrictReading(volume, expected: ledger.position)
        #expect(verified.fault == nil)
        #expect(verified.end == ledger.position)
        #expect(verified.end.number == 20)
    }

    @Test("is read while lines are longer than the reader's buffer") func longLines() throws {
        let volume = try folder.volume()
        let (ledger, _) = try Ledger.open(on: [volume], archive: archive)
        let entries = [entry(1, padding: 900_000), entry(2), entry(3, padding: 300_000)]
        _ = try ledger.append(entries)
        #expect(try records(volume).map(\.entry) == entries)
        let (again, _) = try Ledger.open(on: [volume], archive: archive)
        #expect(again.position == ledger.position)
    }

    @Test("refuses batches that are too large and keys that are taken") func refused() throws {
        let volume = try folder.volume()
        let (ledger, _) = try Ledger.open(on: [volume], archive: archive)
        expectError(.invalidArgument) {
            try ledger.append([entry(1, padding: Ledger.batchLimit)])
        }
        expectError(.invalidArgument) {
            try ledger.append([LedgerEntry(kind: "x", by: "y", body: ["prev": 1])])
        }
        #expect(try ledger.append([]).ends.isEmpty)
        #expect(ledger.position == .start)
        #expect(try records(volume).isEmpty)
    }

    @Test("of another archive lies beside it") func sites() throws {
        let volume = try folder.volume()
        let (mine, _) = try Ledger.open(on: [volume], archive: archive)
        let (theirs, _) = try Ledger.open(on: [volume], archive: "ABCDEF01-2345")
        #expect(theirs.site == "abcdef01")
        _ = try mine.append([entry(1)])
        _ = try theirs.append([entry(2)])
        #expect(try records(volume).map(\.entry) == [entry(1)])
    }

    @Test("takes records from many threads in turns") func threads() async throws {
        let volumes = [try folder.volume(1), try folder.volume(2), try folder.volume(3)]
        let (ledger, _) = try Ledger.open(on: volumes, archive: archive, segmentLimit: 4000)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for thread in 0..<4 {
                group.addTask {
                    for number in 0..<25 {
                        _ = try ledger.append([entry(thread * 100 + number)])
                    }
                }
            }
            try await group.waitForAll()
        }
        for volume in volumes {
            #expect(
                try StrictReading(volume, expected: ledger.position)
                    .fault == nil)
            #expect(try ledgerBytes(volume) == ledgerBytes(volumes[0]))
        }
        #expect(ledger.position.number == 100)
    }

    @Test("of a hundred thousand records is read to the end", .onPlainFolder) func large() throws {
        let volume = try folder.volume()
        let (ledger, _) = try Ledger.open(on: [volume], archive: archive)
        let entries = (0..<5000).map { entry($0) }
        for _ in 0..<20 { _ = try ledger.append(entries) }
        #expect(try ledgerBytes(volume).count == 2)
        var reader = try LedgerChain(volume: volume, site: site)
        var count = 0
        while let record = try reader.next() {
            count += 1
            if record.number != Int64(count) { break }
        }
        #expect(count == 100_000)
        #expect(reader.position.head == ledger.position.head)
    }
}

@Suite("A ledger that was changed") struct LedgerTamperTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    @Test("is found out, whichever byte it was") func everyByte() throws {
        let volume = try folder.volume()
        let (ledger, _) = try Ledger.open(on: [volume], archive: archive, segmentLimit: 700)
        for number in 0..<6 { _ = try ledger.append([entry(number)]) }
        let segments = try ledgerBytes(volume)
        #expect(segments.count == 2)
        for (name, bytes) in segments {
            let path = volume.path + "/ledger/\(site)/" + name
            for index in bytes.indices {
                var changed = bytes
                changed[index] ^= UInt8(1 + index % 255)
                try write(changed, to: path)
                let verified = try StrictReading(volume, expected: ledger.position)
                if verified.fault == nil { Issue.record("byte \(index) of \(name)") }
            }
            try write(bytes, to: path)
        }
        #expect(
            try StrictReading(volume, expected: ledger.position)
                .fault == nil)
    }

    @Test("names the first record that does not fit") func firstRecord() throws {
        let volume = try folder.volume()
        let (ledger, _) = try Ledger.open(on: [volume], archive: archive, segmentLimit: 1500)
        for number in 0..<10 { _ = try ledger.append([entry(number)]) }
        let all = try records(volume)
        let victim = try #require(all.first { $0.end.segment == 2 && $0.number % 2 == 0 })
        let path = segmentPath(volume, 2)
        let name = "\\\"\(victim.number - 1)\\\""
        try write(Array(try text(path).replacing(name, with: "\\\"x\\\"").utf8), to: path)
        let fault = try #require(
            try StrictReading(volume).fault)
        #expect(fault.segment == 2)
        #expect(fault.expectedNumber == victim.number + 1)
        let firstOfSegment = try #require(all.first { $0.end.segment == 2 })
        #expect(fault.line == Int(victim.number + 1 - firstOfSegment.number + 1))
        #expect(fault.reason.contains("does not follow"))
        let error = expectError(.corrupt) { try records(volume) }
        #expect(error?.message.contains("record \(victim.number + 1)") == true)
    }

    @Test("by dropping, doubling or swapping lines is found out") func lines() throws {
        let volume = try folder.volume()
        let (ledger, _) = try Ledger.open(on: [volume], archive: archive)
        _ = try ledger.append((0..<5).map { entry($0) })
        let lines = try text(segmentPath(volume)).split(separator: "\n").map { $0 + "\n" }
        let changes = [
            lines.dropLast().joined(), lines.dropFirst().joined(), lines.joined() + lines[4],
            [lines[0], lines[2], lines[1], lines[3], lines[4]].joined(),
            [lines[0], lines[1], lines[3], lines[4]].joined(), "",
        ]
        for change in changes {
            try write(Array(change.utf8), to: segmentPath(volume))
            #expect(
                try StrictReading(volume, expected: ledger.position)
                    .fault != nil)
        }
    }

    @Test("by removing a segment is found out") func segment() throws {
        let volume = try folder.volume()
        let (ledger, _) = try Ledger.open(on: [volume], archive: archive, segmentLimit: 500)
        for number in 0..<6 { _ = try ledger.append([entry(number)]) }
        try FileManager.default.removeItem(atPath: segmentPath(volume, 2))
        #expect(try StrictReading(volume).fault?.segment == 2)
        let error = expectError(.corrupt) { try records(volume) }
        #expect(error?.path?.hasSuffix("000002.jsonl") == true)
    }
}
