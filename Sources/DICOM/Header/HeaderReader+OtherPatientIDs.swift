extension HeaderReader {
    /// Reads Other Patient IDs Sequence (0010,1002): the Patient ID of every item, prefixed with
    /// `RFID:` if Type of Patient ID (0010,0022) says that it is a microchip. The sequence
    /// replaces the retired Other Patient IDs (0010,1000).
    ///
    /// - Returns: The position after the sequence.
    mutating func readOtherPatientIDs(
        _ element: Element, _ encoding: DataEncoding
    ) throws(Fault) -> Int {
        let outerDeclaration = values.declaration
        defer { values.declaration = outerDeclaration }
        let limit =
            element.isUndefined ? elements.buffer.limit : element.value + element.length
        let start = values.text.count
        var position = element.value
        var isEmpty = true
        try elements.enter(element, 1)
        while position < limit || element.isUndefined {
            guard try elements.buffer.reach(position, 8) >= 8, limit - position >= 8 else {
                throw .data(.truncatedDataSet, at: position)
            }
            let (tag, length) = try elements.itemHead(at: position, encoding)
            if tag == .sequenceDelimitation {
                position += 8
                break
            }
            if tag == .itemDelimitation {
                position += 8
                continue
            }
            guard tag == .item else {
                if element.isUndefined, tag > element.tag { break }
                throw .data(.badElement, at: position)
            }
            elements.countItem()
            values.declaration = outerDeclaration
            let itemLimit = length == .max ? limit : position + 8 + Int(length)
            guard itemLimit <= limit else { throw .data(.badLength, at: position) }
            let idStart = values.text.count
            if !isEmpty { values.text.append(0x5C) }
            let (end, hasID) = try readIdentifier(
                from: position + 8, to: itemLimit, isUndefined: length == .max, encoding)
            if hasID {
                isEmpty = false
                values.text.assign(.otherPatientIDs, since: start)
            } else {
                values.text.truncate(to: idStart)
            }
            position = end
        }
        elements.leave(element)
        if isEmpty, !values.text.has(.otherPatientIDs) {
            values.text.assign(.otherPatientIDs, since: start)
        }
        return position
    }

    /// Reads one item and appends its identifier.
    ///
    /// - Returns: The position after the item, and whether it has an identifier.
    private mutating func readIdentifier(
        from start: Int, to limit: Int, isUndefined: Bool, _ outer: DataEncoding
    ) throws(Fault) -> (end: Int, hasID: Bool) {
        let encoding = try elements.itemEncoding(at: start, outer)
        let idStart = values.text.count
        var isChip = false
        var position = start
        var end = limit
        while position < limit || isUndefined {
            guard try elements.buffer.reach(position, 12) >= 8, limit - position >= 8 else {
                throw .data(.truncatedDataSet, at: position)
            }
            let element = try elements.element(at: position, encoding)
            if element.tag == .itemDelimitation {
                end = element.value
                break
            }
            if isUndefined, element.tag == .item || element.tag == .sequenceDelimitation {
                end = position
                break
            }
            elements.current = element.tag
            if element.isUndefined {
                position = try elements.skipItems(
                    of: element, element.itemEncoding(in: encoding), depth: 2)
                continue
            }
            guard element.length <= limit - element.value else {
                throw .data(.badLength, at: position)
            }
            switch element.tag {
            case .specificCharacterSet: values.declareCharacterSet(try value(of: element))
            case .patientID where values.text.count == idStart:
                values.appendText(try value(of: element), .LO)
            case .typeOfPatientID: isChip = Self.isRFID(try value(of: element)) || isChip
            default: break
            }
            position = element.value + element.length
        }
        let hasID = values.text.count > idStart
        if hasID, isChip { values.text.insert("RFID:", at: idStart) }
        return (isUndefined ? end : limit, hasID)
    }

    private static func isRFID(_ type: UnsafeRawBufferPointer) -> Bool {
        type.prefix(4).elementsEqual("RFID".utf8)
            && type.dropFirst(4).allSatisfy { $0 == 0x20 || $0 == 0 }
    }
}
