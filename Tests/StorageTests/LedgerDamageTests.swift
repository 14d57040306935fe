import Foundation
import SyntheticStudy
import TestSupport
import Testing

@testable import Storage

/// A change of the files of a ledger, as a crash, a bad disk or a person makes it.
private enum Damage: CaseIterable {
    case truncate, zeroBlocks, zeroBytes, flipBit, duplicateLine, insertLine, appendText
    case removeLine, swapLines, swapSegments, removeSegment, emptySegment
    /// What a power cut leaves of the last batch: blocks of it.
    case powerCut

    /// - Parameters:
    ///   - segments: The segments by their names.
    ///   - batch: How many bytes of the last segment the last batch has.
    func apply(
        to segments: inout [String: [UInt8]], batch: Int, _ random: inout SeededRandom
    ) {
        let names = segments.keys.sorted()
        // Most damage at the end, where recovery looks.
        let isLast = Int.random(in: 0..<4, using: &random) > 0
        guard let name = isLast ? names.last : names.randomElement(using: &random),
            var bytes = segments[name], !bytes.isEmpty
        else { return }
        var lines = bytes.split(separator: 10, omittingEmptySubsequences: false).map {
            Array($0) + [10]
        }
        if bytes.last == 10 { lines.removeLast() }
        let line = Int.random(in: 0..<lines.count, using: &random)
        let other = Int.random(in: 0..<lines.count, using: &random)
        switch self {
        case .truncate: bytes.removeLast(Int.random(in: 1...min(900, bytes.count), using: &random))
        case .zeroBlocks:
            let start = Int.random(in: 0...(bytes.count / 512), using: &random) * 512
            let end = min(bytes.count, start + 512 * Int.random(in: 1...3, using: &random))
            for index in start..<end { bytes[index] = 0 }
        case .zeroBytes:
            let start = Int.random(in: 0..<bytes.count, using: &random)
            for index in start..<min(bytes.count, start + 40) { bytes[index] = 0 }
        case .flipBit:
            let index = Int.random(in: 0..<bytes.count, using: &random)
            bytes[index] ^= 1 << UInt8.random(in: 0...7, using: &random)
        case .duplicateLine:
            lines.insert(lines[line], at: line)
            bytes = Array(lines.joined())
        case .insertLine:
            lines.insert(Array("{\"n\":1}\n".utf8), at: line)
            bytes = Array(lines.joined())
        case .appendText: bytes += Array("{\"n\":".utf8)
        case .removeLine:
            lines.remove(at: line)
            bytes = Array(lines.joined())
        case .swapLines:
            lines.swapAt(line, other)
            bytes = Array(lines.joined())
        case .swapSegments:
            guard let second = names.randomElement(using: &random) else { return }
            (segments[name], segments[second]) = (segments[second], segments[name])
            return
        case .removeSegment:
            segments[name] = nil
            return
        case .emptySegment: bytes = []
        case .powerCut:
            guard let last = names.last, let whole = segments[last] else { return }
            bytes = whole
            let begin = bytes.count - batch
            for block in (begin / 512)...(bytes.count / 512) where Bool.random(using: &random) {
                for index in max(begin, block * 512)..<min(bytes.count, block * 512 + 512) {
                    bytes[index] = 0
                }
            }
            if Bool.random(using: &random) {
                bytes.removeLast(Int.random(in: 0...batch, using: &random))
            }
            segments[last] = bytes
            return
        }
        segments[name] = bytes
    }
}

@Suite("A ledger with random damage") struct LedgerDamageTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// A ledger of a few batches and segments.
    private func makeLedger(
        on volumes: [Volume], _ random: inout SeededRandom
    ) throws -> (entries: [LedgerEntry], ends: [LedgerPosition]) {
        let limit = Int64.random(in: 600...6000, using: &random)
        let (ledger, _) = try Ledger.open(on: volumes, archive: archive, segmentLimit: limit)
        var (entries, ends): ([LedgerEntry], [LedgerPosition]) = ([], [])
        for batch in 0..<Int.random(in: 1...6, using: &random) {
            let new = (0..<Int.random(in: 1...8, using: &random)).map {
                entry(100 * batch + $0, padding: Int.random(in: 0...300, using: &random))
            }
            ends.append(ledger.position)
            _ = try ledger.append(new)
            entries += new
        }
        return (entries, ends + [ledger.position])
    }

    private func write(_ segments: [String: [UInt8]], to volume: Volume) throws {
        let path = volume.path + "/ledger/\(site)"
        try FileManager.default.removeItem(atPath: path)
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
        for (name, bytes) in segments { try StorageTests.write(bytes, to: path + "/" + name) }
    }

    @Test(
        """
        loses in recovery just what a strict reader calls torn, and is refused where that finds \
        a fault
        """,
        arguments: 0..<4)
    func oneDefinition(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var (cuts, refusals) = (0, 0)
        for round in 0..<50 {
            let volume = try folder.volume(round + 1)
            let (entries, ends) = try makeLedger(on: [volume], &random)
            var segments = try ledgerBytes(volume)
            let (begin, end) = (ends[ends.count - 2], ends[ends.count - 1])
            let batch =
                begin.segment == end.segment ? Int(end.offset - begin.offset) : Int(end.offset)
            let damage = try #require(Damage.allCases.randomElement(using: &random))
            damage.apply(to: &segments, batch: batch, &random)
            try write(segments, to: volume)
            let before = try ledgerBytes(volume)
            let strict = try StrictReading(volume)
            let note: Comment = "seed \(seed), round \(round), \(damage): \(strict)"
            do {
                let (ledger, recovery) = try Ledger.open(on: [volume], archive: archive)
                let cut = recovery.volumes[0].tornTail
                if let fault = strict.fault {
                    // Recovery reads the last segment only: a fault before it does not show.
                    let last = before.filter { !$0.value.isEmpty }.keys.max() ?? ""
                    #expect(LedgerFolder.name(fault.segment) < last, note)
                } else {
                    #expect(cut == strict.tornTail, note)
                    #expect(ledger.position.number == strict.end.number, note)
                    let left = try records(volume).map(\.entry)
                    // A change of the very last record does not show: no record follows it.
                    let count = damage == .flipBit ? left.count - 1 : left.count
                    let isBeginning = left.prefix(count) == entries.prefix(count)
                    #expect(isBeginning, note)
                    if damage == .powerCut {
                        // Batches that were durable before are all there.
                        #expect(Int64(left.count) >= begin.number, note)
                    }
                }
                if let cut {
                    cuts += 1
                    let name = LedgerFolder.name(cut.segment)
                    let kept = volume.path + "/rejected/torn-ledger/\(site)-\(name).\(cut.offset)"
                    #expect(
                        try read(kept) == Array((before[name] ?? []).dropFirst(Int(cut.offset))),
                        note)
                } else {
                    #expect(try ledgerBytes(volume) == before, note)
                }
            } catch let error as StorageError {
                refusals += 1
                #expect(error.code == .corrupt, note)
                #expect(strict.fault != nil, note)
                #expect(damage != .powerCut, note)
                #expect(try ledgerBytes(volume) == before, note)
            }
        }
        #expect(cuts > 3 && refusals > 3, "\(cuts) were cut, \(refusals) refused")
    }

    @Test("gets every acknowledged record back from another volume, or does not take part")
    func twoVolumes() throws {
        var random = SeededRandom(seed: 99)
        for round in 0..<40 {
            let volumes = [try folder.volume(2 * round + 1), try folder.volume(2 * round + 2)]
            let (entries, ends) = try makeLedger(on: volumes, &random)
            var segments = try ledgerBytes(volumes[0])
            let whole = segments
            let damage = try #require(Damage.allCases.randomElement(using: &random))
            damage.apply(to: &segments, batch: 40, &random)
            try write(segments, to: volumes[0])
            let note: Comment = "round \(round), \(damage)"
            let order = Bool.random(using: &random) ? volumes : volumes.reversed()
            do {
                let (ledger, recovery) = try Ledger.open(on: order, archive: archive)
                #expect(ledger.position.number == ends.last?.number, note)
                let hasAll = try records(volumes[1]).map(\.entry) == entries
                #expect(hasAll, note)
                #expect(try ledgerBytes(volumes[1]) == whole, note)
                let isDamagedInside = try StrictReading(volumes[0]).fault != nil
                if recovery.failure(of: volumes[0]) == nil, !isDamagedInside {
                    #expect(try ledgerBytes(volumes[0]).filter { !$0.value.isEmpty } == whole, note)
                }
            } catch let error as StorageError {
                // Lines that were removed or doubled look like another story.
                #expect(error.code == .diverged || error.code == .corrupt, note)
                #expect(try ledgerBytes(volumes[0]) == segments, note)
                #expect(try ledgerBytes(volumes[1]) == whole, note)
            }
        }
    }

    @Test("is torn only in the last batch: nothing longer, no other zeros, nothing before the end")
    func definition() throws {
        func canBe(_ bytes: [UInt8], at offset: Int64 = 0) -> Bool {
            TornTail.canBe(bytes, at: offset)
        }
        let text = [UInt8](repeating: 120, count: 512)
        let zeros = [UInt8](repeating: 0, count: 512)
        #expect(canBe(Array(text.prefix(7))))
        #expect(canBe(zeros) && canBe(text + zeros) && canBe(zeros + text))
        #expect(canBe(Array((text + zeros).prefix(700))))
        #expect(canBe(Array(zeros.prefix(212)) + text, at: 300))
        #expect(canBe(text + zeros + text + zeros))
        #expect(!canBe(text + zeros, at: 1))
        #expect(!canBe(text + zeros.prefix(511) + text.prefix(1)))
        #expect(!canBe(text + zeros + text + [0] + text))
        #expect(canBe([UInt8](repeating: 120, count: Ledger.batchLimit)))
        #expect(!canBe([UInt8](repeating: 120, count: Ledger.batchLimit + 1)))
    }

    @Test("whose lines are longer than a batch is refused in bounded memory") func longLine() throws
    {
        let volume = try folder.volume()
        let (ledger, _) = try Ledger.open(on: [volume], archive: archive)
        _ = try ledger.append([entry(0)])
        let bytes = try read(segmentPath(volume))
        for byte in [0, 120] as [UInt8] {
            let long = bytes + [UInt8](repeating: byte, count: 3 * Ledger.batchLimit)
            try StorageTests.write(long, to: segmentPath(volume))
            #expect(try StrictReading(volume).fault != nil)
            expectError(.corrupt) { try Ledger.open(on: [volume], archive: archive) }
            #expect(try read(segmentPath(volume)) == long)
        }
    }
}

@Suite("A piece of a ledger that is copied to another volume", .onEveryFileSystem)
struct SegmentCopyTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    @Test("is made of whole lines, each piece at most a batch, whatever lengths lines have")
    func pieces() throws {
        let volumes = [try folder.volume(1), try folder.volume(2)]
        let (ledger, _) = try Ledger.open(on: [volumes[0]], archive: archive)
        _ = try ledger.append([entry(0, padding: Ledger.batchLimit - 2000)])
        for _ in 0..<3 { _ = try ledger.append((0..<7).map { entry($0, padding: 333_333) }) }
        _ = try ledger.append([entry(0, padding: Ledger.batchLimit - 2000)])
        let (both, recovery) = try Ledger.open(on: volumes, archive: archive)
        #expect(both.position == ledger.position)
        #expect(recovery.volumes.map(\.failure).allSatisfy { $0 == nil })
        #expect(try ledgerBytes(volumes[1]) == ledgerBytes(volumes[0]))
        #expect(try StrictReading(volumes[1], expected: ledger.position).fault == nil)
    }
}
