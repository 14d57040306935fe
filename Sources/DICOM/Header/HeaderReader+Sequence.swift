extension HeaderReader {
    /// Walks through the items of a sequence, or fragments, of undefined length.
    ///
    /// - Parameter encoding: That of the items; for UN it is implicit VR little endian
    ///   (PS3.5 section 6.2.2, note 2).
    /// - Returns: The place after the sequence delimitation item, or where the parent goes
    ///   on when that is missing.
    mutating func skipItems(
        of element: Element, _ encoding: DataEncoding, depth: Int
    ) throws(Fault) -> Int {
        try enter(element, depth)
        var position = element.value
        while true {
            let (tag, length) = try itemHead(at: position, encoding)
            switch tag {
            case .sequenceDelimitation:
                leave(element)
                return position + 8  // its length should be 0 and is not believed
            case .itemDelimitation:
                position += 8
            case .item:
                countItem()
                position = try skipItem(at: position + 8, length, encoding, depth)
            default:
                guard tag > element.tag else { throw .data(.badElement, at: position) }
                leave(element)
                return position
            }
        }
    }

    /// Reads the head of an item or delimiter.
    private mutating func itemHead(
        at position: Int, _ encoding: DataEncoding
    ) throws(Fault) -> (Tag, length: UInt32) {
        if !window.holds(position, 8) {
            guard try window.reach(position, 8) >= 8 else {
                throw .data(.truncatedDataSet, at: position)
            }
        }
        let head = window.pointer(position)
        let tag = Tag(Self.number16(head, encoding), Self.number16(head + 2, encoding))
        return (tag, Self.number32(head + 4, encoding))
    }

    private mutating func skipItem(
        at position: Int, _ length: UInt32, _ encoding: DataEncoding, _ depth: Int
    ) throws(Fault) -> Int {
        if length == .max { return try skipElements(from: position, encoding, depth: depth) }
        guard Int(length) <= window.limit - position else {
            throw .data(.badLength, at: position - 8)
        }
        return position + Int(length)
    }

    /// Walks through the elements of an item of undefined length.
    ///
    /// - Returns: The place after its delimitation item, or the next item where that is missing.
    private mutating func skipElements(
        from start: Int, _ outer: DataEncoding, depth: Int
    ) throws(Fault) -> Int {
        var position = start
        let encoding = try itemEncoding(at: start, outer)
        while true {
            let have = try window.reach(position, 12)
            guard have >= 8 else { throw .data(.truncatedDataSet, at: position) }
            let element = try element(at: position, encoding)
            current = element.tag
            switch element.tag {
            case .itemDelimitation: return element.value
            case .sequenceDelimitation, .item: return position
            default: break
            }
            guard element.tag.group > 0 else { throw .data(.badElement, at: position) }
            if element.isUndefined {
                let inner = element.vr == .UN ? DataEncoding.implicitLittleEndian : encoding
                position = try skipItems(of: element, inner, depth: depth + 1)
            } else {
                guard element.length <= window.limit - element.value else {
                    throw .data(.badLength, at: position)
                }
                position = element.value + element.length
            }
        }
    }

    /// The encoding of an item: in UN it should be implicit, but when its first element has
    /// proper letters and a length that leads to another element, it is explicit.
    mutating func itemEncoding(
        at position: Int, _ encoding: DataEncoding
    ) throws(Fault) -> DataEncoding {
        guard !encoding.isExplicit, window.holds(position, 8) else { return encoding }
        let letters = window.pointer(position).loadUnaligned(fromByteOffset: 4, as: UInt16.self)
        guard layouts[letters] != .unknown else { return encoding }
        _ = try window.reach(position, 2048)
        guard let element = properElement(at: position, .explicitLittleEndian),
            isFollowed(element, .explicitLittleEndian)
        else { return encoding }
        return .explicitLittleEndian
    }

    mutating func enter(_ element: Element, _ depth: Int) throws(Fault) {
        guard depth <= Self.deepestNesting else {
            throw .data(.nestingTooDeep, at: element.value)
        }
        path.append(PathStep(sequence: element.tag, item: -1))
    }

    mutating func leave(_ element: Element) {
        path.removeLast()
        current = element.tag
    }

    mutating func countItem() {
        path[path.count - 1].item += 1
    }
}
