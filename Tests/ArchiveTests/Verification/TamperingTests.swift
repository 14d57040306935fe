import TestSupport
import Archive
import Foundation
import Storage
import TemporaryArchive
import Testing

@Suite("Tampering") struct TamperingTests {
    private let temporary: TemporaryArchive
    private let images: [[UInt8]]

    init() throws {
        temporary = try TemporaryArchive()
        images = series(images: 2)
        try temporary.archive(images)
    }

    /// Expects at least one fault, the first one at a record.
    private func expectFault(
        _ report: VerificationReport, on volume: String? = nil, record: Int64? = nil,
        _ comment: String = "", sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let first = report.findings.first { $0.severity == .fault }
        #expect(
            first != nil, "nothing was found: \(comment) \(report.findings)",
            sourceLocation: sourceLocation)
        if let volume {
            #expect(first?.volume == volume, "\(comment)", sourceLocation: sourceLocation)
        }
        if let record {
            #expect(
                first?.record == record, "\(comment) \(report.findings)",
                sourceLocation: sourceLocation)
        }
    }

    @Test("Any byte of any ledger that is changed is found, and its record named") func everyByte()
        throws
    {
        // A ledger of few bytes: one view, one image.
        let temporary = try TemporaryArchive()
        try temporary.configure { text in
            text.prefix(upTo: text.range(of: "[views]")?.upperBound ?? text.endIndex)
                + "\nall = \"{Modality}\"\n"
        }
        try temporary.archive([images[0]])
        for number in 1...2 {
            let file = try temporary.ledgerFile(on: number)
            let bytes = try contents(of: file)
            let newlines = bytes.indices.filter { bytes[$0] == UInt8(ascii: "\n") }
            // Every byte of the last record, and some of the others: all of them take half a
            // minute.
            let last = newlines[newlines.count - 2]
            for offset in bytes.indices where offset % (number == 1 ? 5 : 43) == 0 || offset > last
            {
                let record = Int64(newlines.firstIndex { $0 >= offset } ?? 0) + 1
                let flip = UInt8(1) << UInt8.random(in: 0...7)
                try withChanged(file, { $0[offset] ^= flip }) {
                    let report = try temporary.verify()
                    let first = report.findings.first
                    let comment = "byte \(offset) of volume \(number), \(flip) \(report.findings)"
                    #expect(
                        first?.severity == .fault && first?.volume == temporary.volumes[number - 1],
                        "\(comment)")
                    // The change shows in the record itself, or in the one that gives its hash.
                    #expect([record, record + 1].contains(first?.record), "\(comment)")
                }
            }
        }
        #expect(try temporary.verify().findings.isEmpty)
    }

    @Test(
        "A byte changed to zero, to a space or to a newline is found",
        arguments: [0, 0x20, 0x0a, 0x0d])
    func meaningless(to value: UInt8) throws {
        let file = try temporary.ledgerFile(on: 1)
        let bytes = try contents(of: file)
        for offset in stride(from: 0, to: bytes.count, by: 61) where bytes[offset] != value {
            try withChanged(file, { $0[offset] = value }) {
                expectFault(try temporary.verify(), on: temporary.volumes[0], "byte \(offset)")
            }
        }
    }

    @Test("Of an archive with one volume the index knows the last record") func single() throws {
        let single = try TemporaryArchive(volumes: 1, copies: 1)
        try single.archive(images)
        let file = try single.ledgerFile(on: 1)
        let bytes = try contents(of: file)
        let last = try #require(bytes.dropLast().lastIndex(of: UInt8(ascii: "\n")))
        for offset in last..<bytes.count {
            try withChanged(file, { $0[offset] ^= UInt8(1) << UInt8.random(in: 0...7) }) {
                expectFault(try single.verify(), "byte \(offset)")
            }
        }
        #expect(try single.verify().findings.isEmpty)
    }

    @Test("Bytes that are added between, before or after records are found") func added() throws {
        let file = try temporary.ledgerFile(on: 2)
        let newlines = try contents(of: file).enumerated().filter {
            $0.element == UInt8(ascii: "\n")
        }.map(\.offset)
        for offset in [0] + newlines.dropLast().map({ $0 + 1 }) + newlines {
            for text in [" ", "\n", "\r", "\0", "{}", "x\n"] {
                try withChanged(file, { $0.insert(contentsOf: text.utf8, at: offset) }) {
                    expectFault(
                        try temporary.verify(), on: temporary.volumes[1],
                        "\(text.debugDescription) at \(offset)")
                }
            }
        }
        // At the very end all but a line of its own may be what a crash left; it is told.
        let end = try contents(of: file).count
        for (text, isFault) in [(" ", false), ("\n", true), ("{\"n\":", false), ("x\n", true)] {
            try withChanged(file, { $0.insert(contentsOf: text.utf8, at: end) }) {
                let report = try temporary.verify()
                #expect(
                    report.faults == (isFault ? 1 : 0) && report.attentions == (isFault ? 0 : 1),
                    "\(report.findings)")
            }
        }
    }

    @Test("A ledger that was cut is found, wherever it was cut") func cut() throws {
        let file = try temporary.ledgerFile(on: 1)
        let count = try contents(of: file).count
        for size in stride(from: 0, to: count, by: 97) {
            try withChanged(file, { $0.removeLast($0.count - size) }) {
                let report = try temporary.verify()
                #expect(
                    report.findings.first?.volume == temporary.volumes[0],
                    "cut to \(size): \(report.findings)")
            }
        }
        // On all volumes at once.
        let other = try temporary.ledgerFile(on: 2)
        for size in stride(from: 0, to: count, by: 701) {
            try withChanged(file, { $0.removeLast($0.count - size) }) {
                try withChanged(other, { $0.removeLast($0.count - size) }) {
                    expectFault(try temporary.verify(), "both cut to \(size)")
                }
            }
        }
    }

    @Test("Lines that were swapped, doubled or taken out are found") func lines() throws {
        let lines = try temporary.lines(on: 1)
        for index in lines.indices.dropLast() {
            var swapped = lines
            swapped.swapAt(index, index + 1)
            var short = lines
            short.remove(at: index)
            let doubled = Array(lines[...index]) + lines[index...]
            for (changed, record) in [
                (swapped, index + 1), (short, index + 1), (doubled, index + 2),
            ] {
                try temporary.rewrite([changed], on: 1)
                expectFault(try temporary.verify(), on: temporary.volumes[0], record: Int64(record))
            }
        }
    }

    @Test("Segments that were removed, swapped, emptied or cut elsewhere are found") func segments()
        throws
    {
        let lines = try temporary.lines(on: 1)
        let parts = [Array(lines[..<2]), Array(lines[2..<4]), Array(lines[4...])]
        for number in 1...2 { try temporary.rewrite(parts, on: number) }
        #expect(try temporary.verify().findings.isEmpty)
        let files = try temporary.segments(on: 2)
        for (index, record) in [(0, 1), (1, 3)] {
            let bytes = try contents(of: files[index])
            try FileManager.default.removeItem(atPath: files[index])
            let report = try temporary.verify()
            expectFault(report, on: temporary.volumes[1], record: Int64(record))
            #expect(report.findings.first?.file == files[index])
            try overwrite(files[index], with: [])
            expectFault(try temporary.verify(), on: temporary.volumes[1], record: Int64(record))
            try overwrite(files[index], with: bytes)
        }
        for changed in [[parts[1], parts[0], parts[2]], [parts[0], parts[2], parts[1]]] {
            try temporary.rewrite(changed, on: 2)
            expectFault(try temporary.verify(), on: temporary.volumes[1])
        }
        try temporary.rewrite([parts[0] + [parts[1][0]], [parts[1][1]], parts[2]], on: 2)
        expectFault(try temporary.verify(), on: temporary.volumes[1])
        // The last one taken away is a volume that is behind, as far as anybody can tell.
        try temporary.rewrite([parts[0], parts[1]], on: 2)
        let report = try temporary.verify()
        #expect(report.faults == 0 && report.attentions == 1)
    }

    @Test(
        "A record changed with all hashes after it, on one volume, is found by the other",
        arguments: [1, 2])
    func rewritten(on number: Int) throws {
        let lines = try temporary.lines(on: 1)
        let index = try #require(lines.firstIndex { $0.contains("\"kind\":\"ingest\"") })
        var changed = lines
        changed[index] = changed[index].replacing("image.dcm", with: "other.dcm")
        try #require(changed != lines)
        try temporary.rewrite([rechained(changed)], on: number)
        // The index knows which one is right.
        let report = try temporary.verify()
        expectFault(report, on: temporary.volumes[number - 1], record: Int64(index + 1))
        #expect(report.faults == 1)
        // Without it nobody can say, but it shows.
        temporary.removeIndex()
        expectFault(try temporary.verify(), record: Int64(index + 1))
        // And such an archive is not opened.
        #expect(throws: ArchiveError.self) { try temporary.open { _ in } }
    }

    @Test(
        """
        A record changed with all hashes after it, on all volumes, is found by the index, and by \
        a noted head
        """
    )
    func rewrittenEverywhere() throws {
        let before = try temporary.verify()
        let noted = "\(before.head):\(before.records)"
        #expect(try temporary.verify(head: noted).notedHeadFound == true)
        try temporary.archive(series(seed: 3, images: 1))
        #expect(try temporary.verify(head: noted).findings.isEmpty)
        let lines = try temporary.lines(on: 1)
        let index = try #require(lines.firstIndex { $0.contains("\"kind\":\"ingest\"") })
        var changed = lines
        changed[index] = changed[index].replacing("image.dcm", with: "other.dcm")
        try #require(changed != lines)
        for number in 1...2 { try temporary.rewrite([rechained(changed)], on: number) }
        expectFault(try temporary.verify(), record: Int64(lines.count))
        temporary.removeIndex()
        #expect(try temporary.verify().faults == 0)
        let report = try temporary.verify(head: noted)
        expectFault(report, record: before.records)
        #expect(report.notedHeadFound == false)
        #expect(try temporary.verify(head: before.head).faults > 0)
        // Records that were removed cannot have the head either.
        for number in 1...2 { try temporary.rewrite([Array(lines[..<3])], on: number) }
        expectFault(try temporary.verify(head: noted), record: before.records)
        #expect(try temporary.verify(head: before.head).faults > 0)
    }

    @Test("A head at another number than the noted one does not fit") func otherNumber() throws {
        let report = try temporary.verify()
        #expect(try temporary.verify(head: report.head).notedHeadFound == true)
        expectFault(
            try temporary.verify(head: "\(report.head):\(report.records - 1)"),
            record: report.records)
    }

    @Test("Any byte of a blob that is changed is found, and its file named") func blobs() throws {
        for (number, image) in [(1, images[0]), (2, images[1])] {
            let file = temporary.blob(.of(image), on: number)
            for offset in [0, 1, image.count - 1] + stride(from: 2, to: image.count, by: 53) {
                try withChanged(file, { $0[offset] ^= UInt8(1) << UInt8.random(in: 0...7) }) {
                    let report = try temporary.verify()
                    expectFault(report, on: temporary.volumes[number - 1], "byte \(offset)")
                    #expect(report.faults == 1 && report.findings.first?.file == file)
                }
            }
        }
        #expect(try temporary.verify().findings.isEmpty)
    }

    @Test(
        """
        Blobs that were removed, cut, lengthened or swapped are found, with the record that \
        names them
        """
    )
    func files() throws {
        let ingests = try temporary.ledger().filter { $0.entry.kind == "ingest" }.map(\.number)
        let (one, other) = (
            temporary.blob(.of(images[0]), on: 2), temporary.blob(.of(images[1]), on: 2)
        )
        try withChanged(one, { $0.removeLast() }) {
            expectFault(try temporary.verify(), record: ingests[0])
        }
        try withChanged(one, { $0.append(0) }) {
            expectFault(try temporary.verify(), record: ingests[0])
        }
        try overwrite(one, with: images[1])
        try overwrite(other, with: images[0])
        let report = try temporary.verify()
        #expect(Set(report.findings.map(\.record)) == Set(ingests))
        try overwrite(one, with: images[0])
        try FileManager.default.removeItem(atPath: other)
        let missing = try temporary.verify()
        expectFault(missing, record: ingests[1])
        #expect(missing.findings.map(\.file) == [other])
    }

    @Test("Any byte of an identity file or a README that is changed is noticed") func smallFiles()
        throws
    {
        let identity = temporary.volumes[0] + "/pacsfs-volume.json"
        for offset in try contents(of: identity).indices {
            try withChanged(identity, { $0[offset] ^= UInt8(1) << UInt8.random(in: 0...7) }) {
                let report = try temporary.verify()
                expectFault(report, "byte \(offset)")
                #expect(report.findings.first?.file == identity)
            }
        }
        let readme = temporary.volumes[0] + "/README.txt"
        for offset in try contents(of: readme).indices where offset % 17 == 0 {
            try withChanged(readme, { $0[offset] ^= 1 }) {
                let report = try temporary.verify()
                #expect(report.faults == 0 && report.findings.map(\.file) == [readme])
            }
        }
    }
}
