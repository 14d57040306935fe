extension HeaderReader {
    /// Reads Other Patient IDs Sequence (0010,1002): the Patient ID of every item, after
    /// `RFID:` where Type of Patient ID (0010,0022) says that it is a microchip. It takes the
    /// place of the retired Other Patient IDs (0010,1000).
    ///
    /// - Returns: The place after the sequence.
    mutating func readOtherPatientIDs(
        _ element: Element, _ encoding: DataEncoding
    ) throws(Fault) -> Int {
        let outerDeclaration = decoder.declaration
        defer { decoder.declaration = outerDeclaration }
        let limit = element.isUndefined ? window.limit : element.value + element.length
        let start = text.count
        var position = element.value
        var isEmpty = true
        try enter(element, 1)
        while position < limit || element.isUndefined {
            guard try window.reach(position, 8) >= 8, limit - position >= 8 else {
                throw .data(.truncatedDataSet, at: position)
            }
            let head = window.pointer(position)
            let tag = Tag(Self.number16(head, encoding), Self.number16(head + 2, encoding))
            let length = Self.number32(head + 4, encoding)
            if tag == .sequenceDelimitation {
                position += 8
                break
            }
            guard tag == .item else {
                if tag == .itemDelimitation {
                    position += 8
                    continue
                }
                if element.isUndefined, tag > element.tag { break }
                throw .data(.badElement, at: position)
            }
            countItem()
            decoder.declaration = outerDeclaration
            let itemLimit = length == .max ? limit : position + 8 + Int(length)
            guard itemLimit <= limit else { throw .data(.badLength, at: position) }
            let idStart = text.count
            if !isEmpty { text.append(0x5C) }
            let (end, hasID) = try readIdentifier(
                from: position + 8, to: itemLimit, isUndefined: length == .max, encoding)
            if hasID {
                isEmpty = false
                text.assign(.otherPatientIDs, since: start)
            } else {
                text.truncate(to: idStart)
            }
            position = end
        }
        leave(element)
        if isEmpty, !text.has(.otherPatientIDs) { text.assign(.otherPatientIDs, since: start) }
        return position
    }

    /// Reads one item and appends its identifier.
    ///
    /// - Returns: The place after the item, and whether it has an identifier.
    private mutating func readIdentifier(
        from start: Int, to limit: Int, isUndefined: Bool, _ outer: DataEncoding
    ) throws(Fault) -> (end: Int, hasID: Bool) {
        let encoding = try itemEncoding(at: start, outer)
        let idStart = text.count
        var isChip = false
        var position = start
        var end = limit
        while position < limit || isUndefined {
            guard try window.reach(position, 12) >= 8, limit - position >= 8 else {
                throw .data(.truncatedDataSet, at: position)
            }
            let element = try element(at: position, encoding)
            if element.tag == .itemDelimitation {
                end = element.value
                break
            }
            if isUndefined, element.tag == .item || element.tag == .sequenceDelimitation {
                end = position
                break
            }
            current = element.tag
            if element.isUndefined {
                let inner = element.vr == .UN ? DataEncoding.implicitLittleEndian : encoding
                position = try skipItems(of: element, inner, depth: 2)
                continue
            }
            guard element.length <= limit - element.value else {
                throw .data(.badLength, at: position)
            }
            if try readIdentifierPart(element, at: idStart) { isChip = true }
            position = element.value + element.length
        }
        let hasID = text.count > idStart
        if hasID, isChip { text.insert("RFID:", at: idStart) }
        return (isUndefined ? end : limit, hasID)
    }

    /// - Returns: Whether the element says that the identifier is that of a chip.
    private mutating func readIdentifierPart(_ element: Element, at idStart: Int) throws(Fault)
        -> Bool
    {
        switch element.tag {
        case .specificCharacterSet:
            let length = try bringValue(element)
            declareCharacterSet(window.bytes(element.value, length))
        case .patientID where text.count == idStart:
            let length = try bringValue(element)
            appendText(element.value, length, .LO)
        case .typeOfPatientID:
            let length = try bringValue(element)
            let type = window.bytes(element.value, length)
            let rfid: [UInt8] = [0x52, 0x46, 0x49, 0x44]
            return type.prefix(4).elementsEqual(rfid)
                && type.dropFirst(4).allSatisfy { $0 == 0x20 || $0 == 0 }
        default: break
        }
        return false
    }
}
