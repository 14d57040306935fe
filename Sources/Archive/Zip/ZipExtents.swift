/// The positions of the members of a zip archive, from its list (PKWARE APPNOTE.TXT 6.3, section
/// 4.3.6): one after the other, from the first byte to the list. Bytes in between belong to a
/// member that is not listed, and would be lost.
struct ZipExtents {
    /// A member, from the list.
    private struct Extent {
        /// The offset of its local header.
        var offset: Int64
        /// The size of its data in bytes.
        var packed: Int64
    }

    private var extents: [Extent] = []
    private static let headerBytes = 30
    /// A data descriptor may follow the data (section 4.3.9); in bytes.
    private static let longestDescriptor: Int64 = 24

    /// Adds a record of the list, from its signature on.
    ///
    /// - Parameters:
    ///   - name: The length of its name in bytes.
    ///   - extra: The length of its extra fields in bytes.
    mutating func add(_ record: ArraySlice<UInt8>, name: Int, extra: Int) {
        var extent = Extent(offset: record.number(4, at: 42), packed: record.number(4, at: 20))
        // Where 32 bits are too few, 64 are in an extra field, in this order (section 4.5.3).
        var wide: [WritableKeyPath<Extent, Int64>?] = []
        if record.number(4, at: 24) == 0xFFFF_FFFF { wide.append(nil) }
        if extent.packed == 0xFFFF_FFFF { wide.append(\.packed) }
        if extent.offset == 0xFFFF_FFFF { wide.append(\.offset) }
        var field = record.dropFirst(ZipDirectory.headerBytes + name).prefix(extra)
        while !wide.isEmpty, field.count >= 4 {
            let length = Int(field.number(2, at: 2))
            if field.number(2, at: 0) == 1 {
                for (index, path) in wide.enumerated()
                where 8 * index + 8 <= min(length, field.count - 4) {
                    if let path { extent[keyPath: path] = field.number(8, at: 4 + 8 * index) }
                }
                break
            }
            field = field.dropFirst(4 + length)
        }
        extents.append(extent)
    }

    /// - Parameter end: The offset of the list.
    /// - Throws: ``ZipError`` when the members do not fill the file up to there, or overlap;
    ///   ``ArchiveError`` when the disk fails.
    func requireComplete(in descriptor: Int32, upTo end: Int64) throws {
        var position: Int64 = 0
        for extent in extents.sorted(by: { $0.offset < $1.offset }) {
            guard extent.packed >= 0, extent.offset <= end - Int64(Self.headerBytes) else {
                throw ZipDirectory.damaged
            }
            try Self.requireNothing(
                in: descriptor, from: position, to: extent.offset, isFirst: position == 0)
            let header = try ZipDirectory.read(
                descriptor, at: extent.offset, count: Self.headerBytes)[...]
            guard header.starts(with: [0x50, 0x4B, 3, 4]) else { throw ZipDirectory.damaged }
            let (next, overflow) =
                (extent.offset + Int64(Self.headerBytes) + header.number(2, at: 26)
                + header.number(2, at: 28))
                .addingReportingOverflow(extent.packed)
            guard !overflow, next <= end else { throw ZipDirectory.damaged }
            position = next
        }
        try Self.requireNothing(in: descriptor, from: position, to: end, isFirst: extents.isEmpty)
    }

    /// - Parameter isFirst: Whether no member comes before: then no byte may be there at all.
    private static func requireNothing(
        in descriptor: Int32, from start: Int64, to end: Int64, isFirst: Bool
    ) throws {
        if isFirst, end > start { throw ZipError.holdsMore }
        // Members that share bytes occur in archives that are made to fill a disk.
        guard start <= end else { throw ZipDirectory.damaged }
        // Fewer bytes than a header are not a member.
        guard end - start >= Int64(headerBytes) else { return }
        var position = start + longestDescriptor
        while position < end {
            let piece = try ZipDirectory.read(
                descriptor, at: position, count: Int(min(end - position, 1 << 16)))
            guard piece.allSatisfy({ $0 == 0 }) else { throw ZipError.holdsMore }
            position += Int64(piece.count)
        }
    }
}
