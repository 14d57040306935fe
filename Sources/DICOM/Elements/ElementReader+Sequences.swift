extension ElementReader {
    /// Steps over the items, or the fragments of pixels, of an element of undefined length.
    ///
    /// - Parameters:
    ///   - encoding: That of the items: ``Element/itemEncoding(in:)``.
    ///   - depth: How many sequences are entered then; 1 for the first.
    /// - Returns: The position after the sequence delimitation item; if that is missing, the
    ///   position where the data set around it goes on.
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
                return position + 8  // its length should be 0 and is ignored
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

    /// Reads the head of an item or delimiter, eight bytes.
    mutating func itemHead(
        at position: Int, _ encoding: DataEncoding
    ) throws(Fault) -> (Tag, length: UInt32) {
        if !buffer.holds(position, 8) {
            guard try buffer.reach(position, 8) >= 8 else {
                endsBetweenItems = true
                throw .data(.truncatedDataSet, at: position)
            }
        }
        let head = buffer.pointer(position)
        return (encoding.tag(at: head), encoding.number32(at: head + 4))
    }

    private mutating func skipItem(
        at position: Int, _ length: UInt32, _ encoding: DataEncoding, _ depth: Int
    ) throws(Fault) -> Int {
        if length == .max { return try skipElements(from: position, encoding, depth: depth) }
        guard Int(length) <= buffer.limit - position else {
            throw .data(.badLength, at: position - 8)
        }
        return position + Int(length)
    }

    /// Steps over the elements of an item of undefined length.
    ///
    /// - Returns: The position after its delimitation item; if that is missing, the position of
    ///   the next item.
    private mutating func skipElements(
        from start: Int, _ outer: DataEncoding, depth: Int
    ) throws(Fault) -> Int {
        var position = start
        let encoding = try itemEncoding(at: start, outer)
        while true {
            let have = try buffer.reach(position, 12)
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
                position = try skipItems(
                    of: element, element.itemEncoding(in: encoding), depth: depth + 1)
            } else {
                guard element.length <= buffer.limit - element.value else {
                    throw .data(.badLength, at: position)
                }
                position = element.value + element.length
            }
        }
    }

    /// The encoding of an item. In UN it should be implicit; it is explicit if the first element
    /// has a valid value representation and a length that leads to another element.
    mutating func itemEncoding(
        at position: Int, _ encoding: DataEncoding
    ) throws(Fault) -> DataEncoding {
        guard !encoding.isExplicit, buffer.holds(position, 8) else { return encoding }
        let letters = buffer.pointer(position).loadUnaligned(fromByteOffset: 4, as: UInt16.self)
        guard layouts[letters] != .unknown else { return encoding }
        _ = try buffer.reach(position, 2048)
        guard let element = properElement(at: position, .explicitLittleEndian),
            isFollowed(element, .explicitLittleEndian)
        else { return encoding }
        return .explicitLittleEndian
    }
}
