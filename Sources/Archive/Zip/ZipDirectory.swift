import System

/// The central directory of a zip archive, the list of members at its end (PKWARE APPNOTE.TXT 6.3,
/// sections 4.3.12 to 4.3.16). It is examined before libarchive reads the archive: libarchive keeps
/// all of it in memory, and accepts a list that leaves out parts of the file.
struct ZipDirectory {
    /// More bytes than the largest studies need.
    static let mostBytes: Int64 = 64 << 20

    /// How many members it lists.
    private(set) var members = 0

    /// The position of the directory, from the record after it.
    private struct End {
        /// The offset of the first record after the directory.
        var position: Int64
        var offset: Int64
        var bytes: Int64
        var members: Int64
        var isZip64 = false
    }

    private static let endBytes = 22
    /// The first bytes of a member, of a record of the directory, and of a DICOM file after its
    /// preamble.
    private static let signatures: [[UInt8]] = [
        [0x50, 0x4B, 3, 4], [0x50, 0x4B, 1, 2], Array("DICM".utf8),
    ]
    private static let locatorBytes = 20
    private static let end64Bytes = 56
    static let headerBytes = 46
    /// A header with its name, extra fields and comment.
    private static let longestHeader = headerBytes + 3 * 65_535

    /// - Throws: ``ZipError`` when it is missing or too large, or does not account for the whole
    ///   file, as when two zip archives were joined; ``ArchiveError`` when the disk fails.
    init(descriptor: Int32, bytes: Int64) throws {
        let end = try Self.end(descriptor, bytes)
        guard end.members <= ZipSurvey.mostMembers else {
            throw ZipError.tooLarge("has more than \(ZipSurvey.mostMembers) members")
        }
        guard end.bytes >= 0, end.bytes <= Self.mostBytes else {
            throw ZipError.tooLarge(
                "has a list of members of more than \(Self.mostBytes >> 20) MiB")
        }
        guard end.offset >= 0, end.offset <= end.position, end.offset + end.bytes == end.position
        else {
            throw ZipError.holdsMore
        }
        var extents = ZipExtents()
        var position = end.offset
        var buffer: [UInt8] = []
        var start = position
        while position < end.position {
            if Int(position - start) + Self.longestHeader > buffer.count,
                start + Int64(buffer.count) < end.position
            {
                start = position
                buffer = try Self.read(
                    descriptor, at: start, count: Int(min(end.position - start, 1 << 20)))
            }
            let header = buffer[Int(position - start)...]
            // A signature of the list may follow the last record (section 4.3.13).
            if header.starts(with: [0x50, 0x4B, 5, 5]) { break }
            guard header.starts(with: [0x50, 0x4B, 1, 2]), header.count >= Self.headerBytes else {
                throw Self.damaged
            }
            let (name, extra, comment) = (
                header.number(2, at: 28), header.number(2, at: 30), header.number(2, at: 32)
            )
            let length = Self.headerBytes + Int(name + extra + comment)
            guard header.count >= length else { throw Self.damaged }
            extents.add(header.prefix(length), name: Int(name), extra: Int(extra))
            members += 1
            guard members <= ZipSurvey.mostMembers else {
                throw ZipError.tooLarge("has more than \(ZipSurvey.mostMembers) members")
            }
            position += Int64(length)
        }
        // Some programs write only the lower 16 bits of the number.
        guard
            Int64(members) == end.members || !end.isZip64 && Int64(members & 0xFFFF) == end.members
        else {
            throw ZipError.holdsMore
        }
        try extents.requireComplete(in: descriptor, upTo: end.offset)
    }

    static let damaged = ZipError.damaged(nil, "its list of members makes no sense")

    /// The record that ends the archive, or the one of zip64 before it. A comment may follow, and a
    /// few bytes that some transfers add: unzip and libarchive ignore those too. Nothing may follow
    /// that belongs to an archive or an image.
    private static func end(_ descriptor: Int32, _ bytes: Int64) throws -> End {
        // Its comment has at most 65,535 bytes.
        let tailBytes = Int(min(bytes, Int64(locatorBytes + endBytes + 65_535)))
        let tail = try read(descriptor, at: bytes - Int64(tailBytes), count: tailBytes)
        var index = tail.count - endBytes
        while index >= 0, !(tail[index] == 0x50 && tail[index...].starts(with: [0x50, 0x4B, 5, 6]))
        { index -= 1 }
        guard index >= 0 else {
            throw ZipError.damaged(nil, "it has no list of members at its end")
        }
        let record = tail[index...]
        let rest = record.dropFirst(endBytes)
        if rest.indices.contains(where: { start in
            signatures.contains { rest[start...].starts(with: $0) }
        }) {
            throw ZipError.holdsMore
        }
        let position = bytes - Int64(tail.count - index)
        let end = End(
            position: position, offset: record.number(4, at: 16), bytes: record.number(4, at: 12),
            members: record.number(2, at: 10))
        guard index >= locatorBytes,
            tail[(index - locatorBytes)...].starts(with: [0x50, 0x4B, 6, 7])
        else { return end }
        let locator = position - Int64(locatorBytes)
        let position64 = tail[(index - locatorBytes)...].number(8, at: 8)
        guard position64 >= 0, position64 <= locator - Int64(end64Bytes) else {
            throw ZipError.holdsMore
        }
        let record64 = try read(descriptor, at: position64, count: end64Bytes)[...]
        let (length, overflow) = record64.number(8, at: 4).addingReportingOverflow(12)
        guard record64.starts(with: [0x50, 0x4B, 6, 6]), !overflow, length == locator - position64
        else { throw ZipError.holdsMore }
        return End(
            position: position64, offset: record64.number(8, at: 48),
            bytes: record64.number(8, at: 40),
            members: record64.number(8, at: 32), isZip64: true)
    }

    static func read(_ descriptor: Int32, at offset: Int64, count: Int) throws -> [UInt8] {
        let bytes: [UInt8]
        do throws(Errno) {
            bytes = try FileIO.bytes(descriptor, at: offset, count: count)
        } catch {
            throw ArchiveError(.storage, "A zip archive cannot be read", cause: error)
        }
        guard bytes.count == count else { throw damaged }
        return bytes
    }
}

extension ArraySlice<UInt8> {
    /// An integer of so many bytes, the least significant first; one of 8 bytes that needs the
    /// sign bit is negative.
    func number(_ bytes: Int, at offset: Int) -> Int64 {
        Int64(
            bitPattern: dropFirst(offset).prefix(bytes).reversed().reduce(UInt64(0)) {
                $0 << 8 | UInt64($1)
            })
    }
}
