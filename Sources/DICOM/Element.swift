/// The head of a data element: everything but its value.
struct Element {
    var tag: Tag
    /// `none` where the encoding is implicit or the letters make no sense.
    var vr: VR
    /// Where the value begins.
    var value: Int
    /// Bytes of the value; negative when undefined.
    var length: Int

    static let undefined = -1
    var isUndefined: Bool { length < 0 }
}

extension HeaderReader {
    /// Reads the head of the element at `position`, of which at least eight bytes must be in
    /// the window. The length is not yet compared with what there is.
    @inline(__always)
    mutating func element(at position: Int, _ encoding: DataEncoding) throws(Fault) -> Element {
        let head = window.pointer(position)
        let word = head.loadUnaligned(as: UInt32.self)
        let tag = encoding.isBigEndian ? word.byteSwapped : word << 16 | word >> 16
        if !encoding.isExplicit || tag >> 16 == 0xFFFE {
            let length = Self.number32(head + 4, encoding)
            return Element(
                tag: Tag(rawValue: tag), vr: .none, value: position + 8,
                length: length == .max ? Element.undefined : Int(length))
        }
        let vr = head.loadUnaligned(fromByteOffset: 4, as: UInt16.self)
        switch layouts[vr] {
        case .short:
            return Element(
                tag: Tag(rawValue: tag), vr: VR(rawValue: vr), value: position + 8,
                length: Int(Self.number16(head + 6, encoding)))
        case .long:
            guard window.holds(position, 12) else {
                throw .data(.truncatedDataSet, at: position)
            }
            let length = Self.number32(head + 8, encoding)
            return Element(
                tag: Tag(rawValue: tag), vr: VR(rawValue: vr), value: position + 12,
                length: length == .max ? Element.undefined : Int(length))
        case .unknown:
            return try unusualElement(at: position, Tag(rawValue: tag), encoding)
        }
    }

    @inline(__always)
    static func number16(_ place: UnsafeRawPointer, _ encoding: DataEncoding) -> UInt16 {
        let number = place.loadUnaligned(as: UInt16.self)
        return encoding.isBigEndian ? number.byteSwapped : number
    }

    @inline(__always)
    static func number32(_ place: UnsafeRawPointer, _ encoding: DataEncoding) -> UInt32 {
        let number = place.loadUnaligned(as: UInt32.self)
        return encoding.isBigEndian ? number.byteSwapped : number
    }

    /// Reads an element whose two letters are no value representation: in small letters,
    /// something unknown with a length of sixteen or thirty-two bits, or an element
    /// in implicit encoding amid explicit ones. What is followed by another element is right.
    private mutating func unusualElement(
        at position: Int, _ tag: Tag, _ encoding: DataEncoding
    ) throws(Fault) -> Element {
        unusualElements += 1
        guard unusualElements <= Self.mostUnusualElements else {
            throw .data(.badElement, at: position)
        }
        let have = try window.reach(position, min(65536 + 16, window.limit - position))
        let head = window.pointer(position)
        let vr = VR(rawValue: head.loadUnaligned(fromByteOffset: 4, as: UInt16.self)).capitalized
        var candidates: [Element] = []
        let short = Element(
            tag: tag, vr: vr, value: position + 8, length: Int(Self.number16(head + 6, encoding)))
        let implicitLength = Self.number32(head + 4, encoding)
        let implicit = Element(
            tag: tag, vr: .none, value: position + 8,
            length: implicitLength == .max ? Element.undefined : Int(implicitLength))
        switch layouts[vr.rawValue] {
        case .short:
            candidates = [short]
        case .long, .unknown:
            if have >= 12, short.length == 0 {
                let length = Self.number32(head + 8, encoding)
                let long = Element(
                    tag: tag, vr: vr, value: position + 12,
                    length: length == .max ? Element.undefined : Int(length))
                candidates.append(long)
            }
            if layouts[vr.rawValue] == .unknown {
                candidates.append(short)
                candidates.append(implicit)
            }
        }
        for var candidate in candidates where isFollowed(candidate, encoding) {
            if layouts[candidate.vr.rawValue] == .unknown { candidate.vr = .none }
            return candidate
        }
        throw .data(.badElement, at: position)
    }

    /// Whether an element, or an item for one of undefined length, begins where this one ends.
    func isFollowed(_ element: Element, _ encoding: DataEncoding) -> Bool {
        if element.isUndefined {
            guard window.holds(element.value, 8) else { return false }
            let word = window.pointer(element.value).loadUnaligned(as: UInt32.self)
            return word == 0xE000_FFFE || word == 0xE0DD_FFFE
        }
        guard element.length <= window.limit - element.value else { return false }
        let end = element.value + element.length
        if end == window.limit { return true }
        guard window.holds(end, 8) else { return element.length > 65536 }
        let next = window.pointer(end)
        let word = next.loadUnaligned(as: UInt32.self)
        let tag = Tag(rawValue: encoding.isBigEndian ? word.byteSwapped : word << 16 | word >> 16)
        if tag.group == 0xFFFE { return true }
        guard tag > element.tag else { return false }
        let vr = VR(rawValue: next.loadUnaligned(fromByteOffset: 4, as: UInt16.self))
        return layouts[vr.capitalized.rawValue] != .unknown
    }
}
