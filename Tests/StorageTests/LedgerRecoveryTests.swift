import TestSupport
import Foundation
import Testing

@testable import Storage

@Suite("Recovery of the ledger", .onEveryFileSystem) struct LedgerRecoveryTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func open(
        _ volumes: [Volume], limit: Int64 = Ledger.segmentLimit
    ) throws -> (Ledger, LedgerRecovery) {
        try Ledger.open(on: volumes, archive: archive, segmentLimit: limit)
    }

    private func append(_ range: Range<Int>, to volumes: [Volume], limit: Int64 = 1500) throws {
        let (ledger, _) = try open(volumes, limit: limit)
        for number in range { _ = try ledger.append([entry(number)]) }
    }

    @Test("cuts off a torn line, torn at any byte, and keeps what it was", arguments: [1, 2])
    func tornAnywhere(copies: Int) throws {
        let volumes = try (1...copies).map { try folder.volume($0) }
        try append(0..<4, to: volumes)
        let whole = try read(segmentPath(volumes[0]))
        let lastLine = try #require(whole.dropLast().lastIndex(of: 10)) + 1
        for end in lastLine..<whole.count {
            for volume in volumes { try write(Array(whole[..<end]), to: segmentPath(volume)) }
            let (ledger, recovery) = try open(volumes)
            #expect(ledger.position.number == 3)
            #expect(ledger.position.offset == Int64(lastLine))
            for (volume, report) in zip(volumes, recovery.volumes) {
                #expect(
                    report.tornTail
                        == (end == lastLine
                            ? nil
                            : TornTail(
                                segment: 1, offset: Int64(lastLine), bytes: Int64(end - lastLine))))
                #expect(try read(segmentPath(volume)) == Array(whole[..<lastLine]))
                if end > lastLine {
                    let kept = "/rejected/torn-ledger/\(site)-000001.jsonl.\(lastLine)"
                    #expect(try read(volume.path + kept) == Array(whole[lastLine..<end]))
                }
            }
            _ = try ledger.append([entry(3)])
            for volume in volumes { #expect(try read(segmentPath(volume)) == whole) }
        }
    }

    @Test("takes a torn line from the volume that has it whole") func tornOnOne() throws {
        let volumes = [try folder.volume(1), try folder.volume(2)]
        try append(0..<4, to: volumes)
        let whole = try read(segmentPath(volumes[0]))
        try write(whole.dropLast(5), to: segmentPath(volumes[0]))
        let (ledger, recovery) = try open(volumes)
        #expect(ledger.position.number == 4)
        #expect(recovery.volumes[0].tornTail != nil && recovery.volumes[1].tornTail == nil)
        #expect(recovery.volumes[0].copiedBytes > 0 && recovery.volumes[1].copiedBytes == 0)
        for volume in volumes { #expect(try read(segmentPath(volume)) == whole) }
    }

    @Test("cuts off a first line that is torn, in the first segment and in a later one")
    func tornFirst() throws {
        let volume = try folder.volume()
        try write(Array("{\"n\":1,\"pre".utf8), to: segmentPath(volume))
        try append(0..<3, to: [volume])
        #expect(try records(volume).count == 3)

        let (ledger, _) = try open([volume], limit: 500)
        try write(Array("{\"n\":4,\"pre".utf8), to: segmentPath(volume, 2))
        let (again, recovery) = try open([volume], limit: 500)
        #expect(recovery.volumes[0].tornTail == TornTail(segment: 2, offset: 0, bytes: 11))
        #expect(again.position.number == ledger.position.number)
        #expect(again.position.head == ledger.position.head)
        _ = try again.append([entry(3)])
        #expect(try records(volume).map(\.entry) == (0..<4).map { entry($0) })
        #expect(try ledgerBytes(volume).count == 2)
    }

    @Test("goes on after an empty last segment") func emptySegment() throws {
        let volume = try folder.volume()
        try append(0..<3, to: [volume])
        try write([], to: segmentPath(volume, 2))
        for limit in [100_000, 500] as [Int64] {
            let (ledger, _) = try open([volume], limit: limit)
            _ = try ledger.append([entry(3)])
        }
        #expect(try records(volume).count == 5)
        #expect(try StrictReading(volume).fault == nil)
    }

    @Test("cuts off a batch of which the middle did not reach the disk") func holes() throws {
        let volume = try folder.volume()
        try append(0..<3, to: [volume])
        let before = try read(segmentPath(volume))
        let (ledger, _) = try open([volume])
        _ = try ledger.append((3..<60).map { entry($0) })
        var bytes = try read(segmentPath(volume))
        bytes.replaceSubrange(4096..<8192, with: [UInt8](repeating: 0, count: 4096))
        try write(bytes, to: segmentPath(volume))
        let (again, recovery) = try open([volume])
        let torn = try #require(recovery.volumes[0].tornTail)
        #expect(torn.offset > before.count && torn.offset < 4096)
        #expect(torn.offset + torn.bytes == bytes.count)
        #expect(again.position.offset == torn.offset)
        #expect(try StrictReading(volume).fault == nil)
    }

    @Test("does not take damage for a batch that is not there yet") func damageIsNoHole() throws {
        let volume = try folder.volume()
        let (ledger, _) = try open([volume])
        _ = try ledger.append((0..<60).map { entry($0) })
        let whole = try read(segmentPath(volume))
        let last = try #require(whole.dropLast().lastIndex(of: UInt8(ascii: "\n"))) + 1
        // A byte in the middle; a byte of the last record, which has its newline; two half blocks.
        for (range, byte) in [
            (5000..<5001, 0), (last + 9..<last + 10, 0), (last..<last + 1, 7), (4352..<4864, 0),
        ]
            as [(Range<Int>, UInt8)]
        {
            var bytes = whole
            bytes.replaceSubrange(range, with: range.map { _ in byte })
            try write(bytes, to: segmentPath(volume))
            expectError(.corrupt) { try open([volume]) }
            #expect(try read(segmentPath(volume)) == bytes)
            #expect(try StrictReading(volume).fault != nil)
        }
        // A block that was never written, and everything after it.
        var bytes = whole
        bytes.replaceSubrange(4096..<4608, with: repeatElement(0, count: 512))
        try write(bytes, to: segmentPath(volume))
        #expect(try open([volume]).1.volumes[0].tornTail != nil)
    }

    @Test("tops up volumes that were away, over segments", arguments: [1, 7, 20])
    func prefix(away: Int) throws {
        let volumes = [try folder.volume(1), try folder.volume(2), try folder.volume(3)]
        try append(0..<away, to: volumes)
        try append(away..<24, to: [volumes[1]])
        let (ledger, recovery) = try open(volumes, limit: 1500)
        #expect(ledger.position.number == 24)
        #expect(recovery.volumes.map(\.failure).allSatisfy { $0 == nil })
        let copied = recovery.volumes.map(\.copiedBytes)
        #expect(copied[0] > 0 && copied[0] == copied[2] && copied[1] == 0)
        for volume in volumes {
            #expect(try ledgerBytes(volume) == ledgerBytes(volumes[1]))
            #expect(
                try StrictReading(volume, expected: ledger.position)
                    .fault == nil)
        }
        let (_, second) = try open(volumes, limit: 1500)
        #expect(second.volumes.allSatisfy { $0.copiedBytes == 0 && $0.tornTail == nil })
    }

    @Test("fills a new volume with the whole ledger") func newVolume() throws {
        let first = try folder.volume(1)
        try append(0..<20, to: [first])
        let second = try folder.volume(2)
        _ = try open([second, first])
        #expect(try ledgerBytes(second) == ledgerBytes(first))
    }

    @Test("brings back segments that were removed on one volume", arguments: [1, 2, 3])
    func lostSegment(segment: Int) throws {
        let volumes = [try folder.volume(1), try folder.volume(2)]
        try append(0..<14, to: volumes)
        let whole = try ledgerBytes(volumes[0])
        #expect(whole.count == 3)
        try FileManager.default.removeItem(atPath: segmentPath(volumes[0], segment))
        _ = try open(volumes)
        #expect(try ledgerBytes(volumes[0]) == whole)
        #expect(try ledgerBytes(volumes[1]) == whole)
    }

    @Test("says when a segment is lost on all volumes") func lostEverywhere() throws {
        let volumes = [try folder.volume(1), try folder.volume(2)]
        try append(0..<14, to: volumes)
        for volume in volumes {
            try FileManager.default.removeItem(atPath: segmentPath(volume, 1))
        }
        expectError(.corrupt) { try open(volumes) }
    }

    @Test("stops at ledgers that diverged, and changes nothing", arguments: [0, 1, 9])
    func diverged(common: Int) throws {
        let volumes = [try folder.volume(1), try folder.volume(2)]
        try append(0..<common, to: volumes)
        try append(100..<103, to: [volumes[0]])
        try append(200..<212, to: [volumes[1]])
        // A torn end is not cut either.
        let path = segmentPath(volumes[0], try ledgerBytes(volumes[0]).count)
        try write(try read(path) + Array("{\"n\":".utf8), to: path)
        let before = try volumes.map { try ledgerBytes($0) }
        let error = expectError(.diverged) { try open(volumes) }
        #expect(
            error?.path?.contains("volume1") == true && error?.path?.contains("volume2") == true)
        #expect(try volumes.map { try ledgerBytes($0) } == before)
    }

    @Test("stops at different last records of the same length") func sameLength() throws {
        let volumes = [try folder.volume(1), try folder.volume(2)]
        try append(0..<3, to: volumes)
        try append(4..<5, to: [volumes[0]])
        try append(5..<6, to: [volumes[1]])
        #expect(
            try read(segmentPath(volumes[0])).count == read(segmentPath(volumes[1])).count)
        expectError(.diverged) { try open(volumes) }
    }

    @Test("goes on without a volume whose ledger was changed near its end") func damagedEnd() throws
    {
        let volumes = [try folder.volume(1), try folder.volume(2)]
        try append(0..<5, to: volumes)
        let path = segmentPath(volumes[0])
        let changed = Array(try text(path).replacing("\\\"2\\\"", with: "\\\"x\\\"").utf8)
        try write(changed, to: path)
        let (ledger, recovery) = try open(volumes)
        #expect(recovery.volumes[0].failure?.code == .corrupt)
        #expect(recovery.volumes[1].failure == nil)
        #expect(ledger.volumes == [2])
        #expect(try read(path) == changed)
        expectError(.corrupt) { try open([volumes[0]]) }
    }

    @Test("reads only the end of a long segment") func longSegment() throws {
        let volumes = [try folder.volume(1), try folder.volume(2)]
        let (ledger, _) = try open(volumes)
        for _ in 0..<8 { _ = try ledger.append((0..<10).map { entry($0, padding: 200_000) }) }
        #expect(try ledgerBytes(volumes[0]).count == 1)
        // A change further back than a batch can reach is left to verification.
        let path = segmentPath(volumes[0])
        var bytes = try read(path)
        bytes[300_000] ^= 1
        try write(bytes, to: path)
        let (again, recovery) = try open(volumes)
        #expect(again.position == ledger.position)
        #expect(recovery.volumes.allSatisfy { $0.failure == nil })
        #expect(try StrictReading(volumes[0]).fault != nil)
        #expect(try StrictReading(volumes[1]).fault == nil)
    }
}

@Suite("A volume whose ledger fails", .onEveryFileSystem) struct LedgerFailureTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    @Test("drops out, and is topped up when it is admitted again") func dropsOut() throws {
        let volumes = [try folder.volume(1), try folder.volume(2)]
        let (ledger, _) = try Ledger.open(on: volumes, archive: archive)
        _ = try ledger.append([entry(0)])
        // Another program writes to its ledger.
        let path = segmentPath(volumes[1])
        try write(try read(path) + Array("{".utf8), to: path)
        let appended = try ledger.append([entry(1)])
        #expect(appended.failures.map(\.volume) == [2])
        #expect(appended.failures.first?.error.code == .diverged)
        #expect(ledger.volumes == [1])
        #expect(try ledger.append([entry(2)]).failures.isEmpty)

        let recovery = try ledger.admit(volumes[1])
        #expect(recovery.volumes.first { $0.volume == 2 }?.tornTail?.bytes == 1)
        #expect(ledger.volumes == [1, 2])
        _ = try ledger.append([entry(3)])
        #expect(try ledgerBytes(volumes[0]) == ledgerBytes(volumes[1]))
        #expect(try records(volumes[1]).map(\.entry) == (0..<4).map { entry($0) })

        ledger.drop(volumes[0])
        #expect(ledger.volumes == [2])
        _ = try ledger.append([entry(4)])
        #expect(try records(volumes[0]).count == 4)
    }

    @Test("because another program wrote to it keeps what that wrote") func foreign() throws {
        let volume = try folder.volume()
        let (ledger, _) = try Ledger.open(on: [volume], archive: archive)
        _ = try ledger.append([entry(0)])
        let bytes = try read(segmentPath(volume)) + Array("strange".utf8)
        try write(bytes, to: segmentPath(volume))
        expectError(.diverged) { try ledger.append([entry(1)]) }
        #expect(try read(segmentPath(volume)) == bytes)
        expectError(.tooFewVolumes) { try ledger.append([entry(1)]) }
        _ = try ledger.admit(volume)
        _ = try ledger.append([entry(1)])
        #expect(try records(volume).count == 2)
    }

    @Test("because another file has its name drops out") func replaced() throws {
        let volumes = [try folder.volume(1), try folder.volume(2)]
        let (ledger, _) = try Ledger.open(on: volumes, archive: archive)
        _ = try ledger.append([entry(0)])
        let bytes = try read(segmentPath(volumes[1]))
        try FileManager.default.removeItem(atPath: segmentPath(volumes[1]))
        try write(bytes, to: segmentPath(volumes[1]))
        #expect(try ledger.append([entry(1)]).failures.map(\.error.code) == [.diverged])
        _ = try ledger.admit(volumes[1])
        #expect(try records(volumes[1]).count == 2)
    }

    @Test("brings records that the others had not when it is admitted late") func late() throws {
        let volumes = [try folder.volume(1), try folder.volume(2)]
        let (both, _) = try Ledger.open(on: volumes, archive: archive)
        _ = try both.append([entry(0)])
        let (second, _) = try Ledger.open(on: [volumes[1]], archive: archive)
        _ = try second.append([entry(1)])
        let (ledger, _) = try Ledger.open(on: [volumes[0]], archive: archive)
        let before = ledger.position
        _ = try ledger.admit(volumes[1])
        #expect(ledger.position.number == before.number + 1)
        #expect(try records(volumes[0], from: before).map(\.entry) == [entry(1)])
    }

    @Test("that is the last one is said to be the last one") func none() throws {
        let volume = try folder.volume()
        let (ledger, _) = try Ledger.open(on: [volume], archive: archive)
        ledger.drop(volume)
        expectError(.tooFewVolumes) { try ledger.append([entry(0)]) }
        expectError(.tooFewVolumes) { try Ledger.open(on: [], archive: archive) }
    }

    @Test(
        "because its disk is full gets the batch taken back, and goes on when there is room",
        .onPlainFolder, .enabled(if: SmallDisk.isPossible, "mounting needs root"))
    func full() throws {
        let point = folder.path("volume1")
        try FileManager.default.createDirectory(
            atPath: point, withIntermediateDirectories: false)
        let disk = try SmallDisk(at: point, bytes: 1 << 20)
        defer { disk.unplug() }
        let volumes = [try folder.volume(1), try folder.volume(2)]
        let (ledger, _) = try Ledger.open(on: [volumes[0]], archive: archive)
        _ = try ledger.append([entry(0)])
        let position = ledger.position
        let large = [entry(1), entry(2, padding: 2 << 20), entry(3)]
        expectError(.noSpace) { try ledger.append(large) }
        #expect(ledger.position == position && ledger.volumes == [1])
        #expect(try read(segmentPath(volumes[0])).count == Int(position.offset))
        _ = try ledger.append([entry(1)])

        // The same with another volume, which has room: a disk that is full is well otherwise.
        _ = try ledger.admit(volumes[1])
        expectError(.noSpace) { try ledger.append(large) }
        #expect(ledger.volumes.sorted() == [1, 2])
        #expect(try records(volumes[1]).count == 2)
        _ = try ledger.append([entry(4)])
        #expect(try records(volumes[0]).count == 3)
        #expect(try records(volumes[1]).count == 3)
    }
}
