/// Whether compressed pixels are whole, if the sequence delimitation item after their fragments
/// (PS3.5 section A.4) is missing. Devices leave it out, and a copy that was interrupted lacks it
/// too.
extension ElementReader {
    /// The end of a compressed frame lies within this many bytes of the end of its last fragment.
    private static let longestFragmentPadding = 4096

    /// Walks through the fragments of compressed pixels.
    ///
    /// Without the delimiter they are whole if there is a fragment for every frame and for every
    /// entry of the offset table, and if JPEG and JPEG 2000 frames have their end marker.
    ///
    /// - Parameter frames: How many frames have fragments of their own.
    mutating func truncationOfFragments(
        of element: Element, _ encoding: DataEncoding, frames: Int
    ) throws(Fault) -> Truncation? {
        let cut = Truncation(
            tag: element.tag, bytes: UInt64(max(0, buffer.limit - element.value)), length: nil)
        var position = element.value
        var items = 0
        while buffer.limit - position >= 8 {
            let (tag, length32) = try itemHead(at: position, encoding)
            switch tag {
            case .sequenceDelimitation: return nil
            case .itemDelimitation:
                hasUnusualEnd = true
                position += 8
            case .item:
                guard length32 != .max else { throw .data(.badElement, at: position) }
                let value = position + 8
                let item = Element(tag: tag, vr: .OB, value: value, length: Int(length32))
                let isWhole = item.length <= buffer.limit - value
                guard isWhole || items > 0 && lacksOnlyPadByte(item) else { return cut }
                items += 1
                position = isWhole ? value + item.length : buffer.limit
            default:
                let isWhole = try isWhole(element, encoding, upTo: position, frames: frames)
                if !isWhole, tag <= element.tag { throw .data(.badElement, at: position) }
                hasUnusualEnd = true
                return nil
            }
        }
        guard try isWhole(element, encoding, upTo: position, frames: frames) else { return cut }
        hasUnusualEnd = true
        return nil
    }

    /// Looks again at the fragments, all of which are there up to `end`.
    private mutating func isWhole(
        _ element: Element, _ encoding: DataEncoding, upTo end: Int, frames: Int
    ) throws(Fault) -> Bool {
        var position = element.value
        var table: (entries: Int, last: Int)?
        var firstFragment = 0
        var fragments = 0
        var endMarkers = 0
        var hasMarkers = false
        while position < end {
            let (tag, length32) = try itemHead(at: position, encoding)
            let value = position + 8
            position = value
            guard tag == .item else { continue }
            let length = min(Int(length32), end - value)
            position = value + length
            if table == nil {
                table = try offsetTable(at: value, length, encoding)
                firstFragment = position
                continue
            }
            if fragments == 0 { hasMarkers = try beginsWithMarker(value, length) }
            fragments += 1
            if hasMarkers, try hasEndMarker(value, length) { endMarkers += 1 }
        }
        guard let table else { return false }
        return fragments >= max(1, frames, table.entries)
            && (!hasMarkers || endMarkers >= max(1, frames, table.entries))
            && (table.entries == 0 || table.last < end - firstFragment)
    }

    private mutating func offsetTable(
        at position: Int, _ length: Int, _ encoding: DataEncoding
    ) throws(Fault) -> (entries: Int, last: Int) {
        let entries = length / 4
        guard entries > 0 else { return (0, 0) }
        let last = position + (entries - 1) * 4
        guard try buffer.reach(last, 4) >= 4 else { return (entries, .max) }
        return (entries, Int(encoding.number32(at: buffer.pointer(last))))
    }

    /// Whether a fragment begins as JPEG (SOI) or a JPEG 2000 codestream (SOC) does. Both end in
    /// FFD9, which occurs nowhere else in their compressed data.
    private mutating func beginsWithMarker(_ position: Int, _ length: Int) throws(Fault) -> Bool {
        guard length >= 2, try buffer.reach(position, 2) >= 2 else { return false }
        let bytes = buffer.bytes(position, 2)
        return bytes[0] == 0xFF && (bytes[1] == 0xD8 || bytes[1] == 0x4F)
    }

    private mutating func hasEndMarker(_ position: Int, _ length: Int) throws(Fault) -> Bool {
        let count = min(length, Self.longestFragmentPadding)
        let start = position + length - count
        guard try buffer.reach(start, count) >= count else { return false }
        let bytes = buffer.bytes(start, count)
        return zip(bytes, bytes.dropFirst()).contains { $0 == 0xFF && $1 == 0xD9 }
    }

    /// Whether the file ends one byte before the end of a value of even length that may have been
    /// padded: some programs count the pad byte and do not write it. An encapsulated document has
    /// an end of its own.
    func lacksOnlyPadByte(_ element: Element) -> Bool {
        guard element.length & 1 == 0, element.length - (buffer.limit - element.value) == 1,
            element.tag != Tag(0x0042, 0x0011)
        else { return false }
        if Tag.pixels.contains(element.tag) { return true }
        switch element.vr {
        case .AE, .AS, .CS, .DA, .DS, .DT, .IS, .LO, .LT, .PN, .SH, .ST, .TM, .UC, .UI, .UR, .UT,
            .OB, .UN, .none:
            return true
        default: return false
        }
    }

    /// Whether what is left of the file is no element: blanks, line ends, zeros, or the beginning
    /// of a delimiter. Of a long rest only the beginning is looked at.
    mutating func isTrailer(_ position: Int) throws(Fault) -> Bool {
        let count = min(buffer.limit - position, ReadBuffer.firstStep)
        guard count > 0, try buffer.reach(position, count) >= count else { return false }
        let bytes = buffer.bytes(position, count)
        if count < 8, count > 1, bytes[0] == 0xFE, bytes[1] == 0xFF { return true }
        // One blank can be the first byte of a group number.
        if count == 1, bytes[0] == 0x20 { return false }
        return bytes.allSatisfy {
            switch $0 {
            case 0x00, 0x09, 0x0A, 0x0D, 0x1A, 0x20, 0xFF: true
            default: false
            }
        }
    }
}
