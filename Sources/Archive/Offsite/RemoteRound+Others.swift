import Foundation
import Glibc
import JSON
import Offsite
import Storage
import System
import TagIndex

// What is not an image, and must not be lost.
extension RemoteRound {
    // MARK: Rejected files

    /// Brings away rejected files that are still here, with their reasons.
    ///
    /// - Throws: Why the rest did not go.
    mutating func pushRejected() throws {
        var last: Int64 = 0
        while true {
            let page = try core.index.read { reader in
                try reader.pendingRejected(onRemote: remote.id, after: last, limit: 200)
            }
            guard let end = page.last else { return }
            // The same bytes may have been rejected from several places.
            var added: Set<[UInt8]> = []
            for (file, reason) in page where added.insert(file.sha256).inserted {
                try add(file, reason)
            }
            try complete()
            last = end.file.id
        }
    }

    private mutating func add(_ file: RejectedFile, _ reason: String) throws {
        // It was moved back into incoming, or removed by hand.
        guard let digest = Digest(bytes: file.sha256),
            let found = rejected.holders(of: file, digest).first
        else { return }
        let name = OffsiteLayout.rejected(digest)
        try staging.add("\(found.volume.path)/rejected/\(found.path)", as: name)
        put(
            OutgoingObject(name: name, bytes: file.bytes), in: staging.path,
            OffsiteEvent(name, bytes: file.bytes, on: remote.name))
        let note = try staging.write(
            Array("rejected/\(file.path)\n\(reason)\n".utf8), as: OffsiteLayout.reason(digest))
        put(note, in: staging.path, OffsiteEvent(note.name, bytes: note.bytes, on: remote.name))
    }

    // MARK: The configuration

    /// Brings `pacsfs.toml` away when it has changed, without what may be secret.
    ///
    /// - Throws: Why it did not go.
    mutating func pushConfiguration() throws {
        let path = ArchivePaths(core.path).configuration
        let text = try ConfigurationFile(Settings.text(of: path)).withoutCommands
        let digest = Digest.of(Array(text.utf8))
        let last = try core.index.read {
            try $0.lastObject(in: OffsiteLayout.configuration, onRemote: remote.id)
        }
        if let last, last.contains(digest.hex) { return }
        let name = OffsiteLayout.configuration(Timestamp(nanoseconds: core.clock.utc), digest)
        let object = try staging.write(Array(text.utf8), as: name)
        put(object, in: staging.path, OffsiteEvent(name, bytes: object.bytes, on: remote.name))
        try complete()
    }

    // MARK: Reports of drills

    /// Brings away the reports of drills, with their signatures; the key stays here.
    ///
    /// - Throws: Why the rest did not go.
    mutating func pushReports() throws {
        let folder = "\(core.path)/\(DrillKey.folder)"
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        // Names begin with a time.
        for file in names.sorted() where file.first?.isNumber == true {
            let name = OffsiteLayout.report(file)
            let known = try core.index.read { try $0.object(name, onRemote: remote.id) }
            if known.map({ $0.fault == nil }) ?? taken.contains(name) { continue }
            // One that is being written has another name; one that somebody removed does not come.
            guard let bytes = try? RegularFile.content(of: "\(folder)/\(file)") else { continue }
            let object = try staging.write(bytes, as: name)
            put(object, in: staging.path, OffsiteEvent(name, bytes: object.bytes, on: remote.name))
        }
        try complete()
    }

    // MARK: The ledger

    /// Brings away the segments that are closed, and the new records of the open one.
    ///
    /// - Parameter isAll: Whether records go that nobody needs soon.
    /// - Throws: Why the rest did not go.
    mutating func pushLedger(isAll: Bool) throws {
        let end = core.catalogue.position
        let ledger = core.catalogue.ledger
        guard end.number > 0, let volume = ledger.volumes.first.flatMap({ core.volumes[$0] }) else {
            return
        }
        for segment in stride(from: 1, to: end.segment, by: 1) {
            let name = OffsiteLayout.segment(segment, site: ledger.site)
            let known = try core.index.read { try $0.object(name, onRemote: remote.id) }
            if let known, known.fault == nil { continue }
            let piece = try LedgerPiece(volume.path + "/" + name)
            if taken.contains(name) {
                // Somebody has changed it there: the records go under another name.
                let other = OffsiteLayout.tail(piece.records, site: ledger.site)
                let known = try core.index.read { try $0.object(other, onRemote: remote.id) }
                if let known, known.fault == nil { continue }
                let object = try staging.write(piece.bytes, as: other)
                var event = OffsiteEvent(other, bytes: object.bytes, on: remote.name)
                event.through = piece.records.upperBound
                put(object, in: staging.path, event)
                try complete()
                continue
            }
            var event = OffsiteEvent(name, bytes: Int64(piece.bytes.count), on: remote.name)
            event.through = piece.records.upperBound
            put(
                OutgoingObject(
                    name: name, bytes: event.bytes,
                    hashes: [.sha256: Digest.of(piece.bytes).hex]), in: volume.path, event)
            try complete()
        }
        let through = try core.index.read { reader in
            try reader.hasFaultyTail(onRemote: remote.id)
                ? 0 : reader.ledgerThrough(onRemote: remote.id)
        }
        guard through < end.number else { return }
        let open = OffsiteLayout.segment(end.segment, site: ledger.site)
        guard
            let piece = try tail.piece(
                volume.path + "/" + open, of: end, after: through),
            isAll || piece.firstNews(at: core.clock.utc) != nil
        else { return }
        let name = OffsiteLayout.tail(piece.records, site: ledger.site)
        let object = try staging.write(piece.bytes, as: name)
        var event = OffsiteEvent(name, bytes: object.bytes, on: remote.name)
        event.through = piece.records.upperBound
        put(object, in: staging.path, event)
        try complete()
    }
}

/// Where the records begin that a remote lacks, so that a segment is not read from its start again
/// and again.
struct LedgerTail: Sendable {
    private var segment = 0
    private var number: Int64 = 0
    private var offset: Int64 = 0

    /// The lines after a record; `nil` when there are none.
    ///
    /// - Parameters:
    ///   - path: That of the last segment.
    ///   - end: Where it ends.
    /// - Throws: `OffsiteError` with code `local` when it cannot be read.
    mutating func piece(
        _ path: String, of end: LedgerPosition, after number: Int64
    ) throws(OffsiteError) -> LedgerPiece? {
        let start = segment == end.segment && self.number == number ? offset : 0
        if start == end.offset { return nil }
        let piece = try LedgerPiece(path, from: start, upTo: end.offset).after(number)
        (segment, self.number) = (end.segment, number)
        offset = piece?.offset ?? end.offset
        return piece
    }
}

/// Whole lines of a segment.
struct LedgerPiece {
    var bytes: [UInt8]
    /// Where they begin in it.
    var offset: Int64 = 0
    /// The numbers of the records in it.
    var records: ClosedRange<Int64>

    private static let newline = UInt8(ascii: "\n")
    private static let day: Int64 = 86_400_000_000_000

    /// A segment.
    ///
    /// - Parameters:
    ///   - start: Where a line begins.
    ///   - end: Where it ends that is durable; `nil` for all of it.
    /// - Throws: `OffsiteError` with code `local` when it cannot be read, or is none.
    init(_ path: String, from start: Int64 = 0, upTo end: Int64? = nil) throws(OffsiteError) {
        let bytes: [UInt8]
        do throws(Errno) {
            let file = try RegularFile.open(at: AT_FDCWD, path, O_RDONLY)
            let last: Int64
            if let end { last = end } else { last = try FileFacts(of: file.number).bytes }
            bytes = try FileIO.bytes(file.number, at: start, count: Int(max(0, last - start)))
        } catch {
            throw OffsiteError(
                .local, "A segment of the ledger cannot be read", path: path,
                remedy: "See \"pacsfs status\".", cause: error)
        }
        let last = bytes.dropLast().lastIndex(of: Self.newline).map { $0 + 1 } ?? 0
        guard bytes.last == Self.newline, let from = Self.number(bytes[...]),
            let to = Self.number(bytes[last...]), from <= to
        else {
            throw OffsiteError(
                .local, "A segment of the ledger is damaged", path: path,
                remedy: "Look at the whole ledger: pacsfs verify")
        }
        (self.bytes, records, offset) = (bytes, from...to, start)
    }

    /// The lines after a record; `nil` when there are none.
    func after(_ number: Int64) -> LedgerPiece? {
        guard number >= records.lowerBound else { return self }
        guard number < records.upperBound else { return nil }
        var start = 0
        while let end = bytes[start...].firstIndex(of: Self.newline) {
            let isIt = Self.number(bytes[start...]) == number
            start = end + 1
            if isIt { break }
        }
        var piece = self
        piece.bytes = Array(bytes[start...])
        piece.offset = offset + Int64(start)
        piece.records = number + 1...records.upperBound
        return piece
    }

    /// When the first record was written that is worth bringing away soon, ns since 1970; of
    /// others, when they have waited for a day. `nil` when all can wait.
    func firstNews(at now: Int64) -> Int64? {
        var isFirst = true
        for line in bytes.split(separator: Self.newline) {
            guard let record = try? JSONParser.value(of: Array(line)).object,
                let kind = record["kind"]?.string,
                let time = record["t"]?.string.flatMap({ Timestamp($0) })?.nanoseconds
            else { return 0 }
            if isFirst, now - time > Self.day { return time }
            isFirst = false
            let isOfLedger =
                record["object"]?.string?.hasPrefix(OffsiteLayout.ledger + "/") ?? false
            if LedgerEvent.isNews(kind) || kind == OffsiteEvent.kind && !isOfLedger { return time }
        }
        return nil
    }

    /// The number of the record in the first line: `{"n":12,…`.
    private static func number(_ line: ArraySlice<UInt8>) -> Int64? {
        let head = Array("{\"n\":".utf8)
        guard line.starts(with: head) else { return nil }
        let digits = line.dropFirst(head.count).prefix { (0x30...0x39).contains($0) }
        return Int64(String(decoding: digits, as: UTF8.self))
    }
}
