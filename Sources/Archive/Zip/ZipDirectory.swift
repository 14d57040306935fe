import Glibc

/// The list of members at the end of a zip archive, its central directory (PKWARE APPNOTE.TXT 6.3,
/// sections 4.3.12 to 4.3.16). It is read before libarchive, which keeps all of it in memory, and
/// accepts a list that does not cover the whole file.
struct ZipDirectory {
    /// Larger than the list of the largest studies, bytes.
    static let mostBytes: Int64 = 64 << 20

    /// How many members it lists.
    private(set) var members = 0

    /// The position of the directory, from the record after it.
    private struct End {
        /// Of the first record after the directory.
        var position: Int64
        var offset: Int64
        var bytes: Int64
        var members: Int64
        var isZip64 = false
    }

    private static let endBytes = 22
    /// Signatures: of a member, of the records of a list, and the `DICM` after the preamble of a
    /// DICOM file.
    private static let strange: [[UInt8]] = [
        [0x50, 0x4B, 3, 4], [0x50, 0x4B, 1, 2], Array("DICM".utf8),
    ]
    private static let locatorBytes = 20
    private static let end64Bytes = 56
    static let headerBytes = 46
    /// A header with its name, extra fields and comment.
    private static let longestHeader = headerBytes + 3 * 65_535

    /// - Throws: ``ZipError`` when it is missing or too large, or does not cover the whole file,
    ///   for example when one zip archive was appended to another; ``ArchiveError`` when the disk
    ///   fails.
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
        var window: [UInt8] = []
        var start = position
        while position < end.position {
            if Int(position - start) + Self.longestHeader > window.count,
                start + Int64(window.count) < end.position
            {
                start = position
                window = try Self.read(
                    descriptor, at: start, count: Int(min(end.position - start, 1 << 20)))
            }
            let header = window[Int(position - start)...]
            // Behind the last may be a signature of the list (section 4.3.13).
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
        // Some write no more than the lower 16 bits of the number.
        guard
            Int64(members) == end.members || !end.isZip64 && Int64(members & 0xFFFF) == end.members
        else {
            throw ZipError.holdsMore
        }
        try extents.requireComplete(in: descriptor, upTo: end.offset)
    }

    static let damaged = ZipError.damaged(nil, "its list of members makes no sense")

    /// The record that ends the archive, or the one of zip64 before it. Behind it may be a comment,
    /// and a few bytes that some transfers add: unzip and libarchive pass over those too. More of
    /// an archive, or an image, must not be there.
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
        let behind = record.dropFirst(endBytes)
        if behind.indices.contains(where: { start in
            strange.contains { behind[start...].starts(with: $0) }
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
        let (rest, overflow) = record64.number(8, at: 4).addingReportingOverflow(12)
        guard record64.starts(with: [0x50, 0x4B, 6, 6]), !overflow, rest == locator - position64
        else { throw ZipError.holdsMore }
        return End(
            position: position64, offset: record64.number(8, at: 48),
            bytes: record64.number(8, at: 40),
            members: record64.number(8, at: 32), isZip64: true)
    }

    static func read(_ descriptor: Int32, at offset: Int64, count: Int) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var done = 0
        while done < count {
            let result = bytes[done...].withUnsafeMutableBytes {
                pread(descriptor, $0.baseAddress, $0.count, off_t(offset) + off_t(done))
            }
            if result < 0, errno == EINTR { continue }
            guard result >= 0 else {
                throw ArchiveError(
                    .storage, "A zip archive cannot be read: \(String(cString: strerror(errno))).")
            }
            guard result > 0 else { throw damaged }
            done += result
        }
        return bytes
    }
}

extension ArraySlice<UInt8> {
    /// An integer of so many bytes, the least significant first; one of 8 that has no sign bit
    /// to spare is negative.
    func number(_ bytes: Int, at offset: Int) -> Int64 {
        Int64(
            bitPattern: dropFirst(offset).prefix(bytes).reversed().reduce(UInt64(0)) {
                $0 << 8 | UInt64($1)
            })
    }
}
