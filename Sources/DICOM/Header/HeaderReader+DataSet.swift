extension HeaderReader {
    /// Reads the elements of a data set up to the last wanted one.
    mutating func readDataSet(from start: Int, _ encoding: DataEncoding) throws(Fault) {
        var position = start
        var next = 0
        var previous: UInt32 = 0
        var hasElements = false
        elements.current = nil
        rest =
            elements.buffer.isInflated
            ? .deflated(from: dataSetStart) : .elements(from: start, encoding)
        while true {
            if !elements.buffer.holds(position, 12) {
                let have = try elements.buffer.reach(position, 12)
                if have == 0 { break }
                guard have >= 8 else { throw .data(.truncatedDataSet, at: position) }
            }
            let element = try elements.element(at: position, encoding)
            let tag = element.tag.rawValue
            elements.current = element.tag
            if tag > WantedElements.last {
                if element.tag.group != 0xFFFE { return findPixels(from: position, encoding) }
                position = element.value  // a delimiter left over from a sequence
                continue
            }
            if tag <= previous {  // out of order, against PS3.5 section 7.1
                guard element.tag.group > 0 else { throw .data(.badElement, at: position) }
                try elements.countUnusual(at: position)
                next = 0
            }
            hasElements = true
            previous = tag
            while wanted.entries[next].tag < tag { next &+= 1 }
            let isWanted = wanted.entries[next].tag == tag
            if isWanted, wanted.entries[next].form == .directory {
                isDirectory = true
                if element.isUndefined { return }  // its records are of no use here
            }
            if element.isUndefined {
                position = try readUndefined(
                    element, isWanted ? wanted.entries[next].form : .code, encoding)
                continue
            }
            guard element.length <= elements.buffer.limit &- element.value else {
                throw .data(.badLength, at: position)
            }
            if isWanted {
                try store(wanted.entries[next], element, encoding)
            }
            position = element.value &+ element.length
            if tag == WantedElements.last { return findPixels(from: position, encoding) }
            if element.length & 1 != 0 { position = elements.afterOdd(element, encoding) }
        }
        guard position <= elements.buffer.limit else {
            throw .data(.truncatedDataSet, at: position)
        }
        if !hasElements { throw .data(.noDataSet, at: position) }
    }

    /// Reads or skips the items of an element of undefined length.
    ///
    /// - Returns: The position after it.
    private mutating func readUndefined(
        _ element: Element, _ form: WantedElements.Form, _ encoding: DataEncoding
    ) throws(Fault) -> Int {
        let inner = element.itemEncoding(in: encoding)
        if form == .otherPatientIDs { return try readOtherPatientIDs(element, inner) }
        return try elements.skipItems(of: element, inner, depth: 1)
    }

    private mutating func store(
        _ entry: WantedElements.Entry, _ element: Element, _ encoding: DataEncoding
    ) throws(Fault) {
        switch (entry.form, element.vr.content) {
        case (.code, .text), (.code, .bytes), (.number, .text):
            values.storeText(entry.attribute, try value(of: element), vr: .CS)
        case (.text, .text), (.text, .bytes):
            values.storeText(entry.attribute, try value(of: element), vr: entry.attribute.vr)
        case (.code, .integers), (.text, .integers), (.number, .integers), (.number, .bytes):
            values.storeNumbers(
                entry.attribute, try value(of: element), vr: element.vr, encoding)
        case (.code, .other), (.text, .other), (.number, .other):
            values.noteInvalid()
        case (.characterSet, _):
            let value = try value(of: element)
            values.storeText(entry.attribute, value, vr: .CS)
            values.declareCharacterSet(value)
        case (.otherPatientIDs, _):
            if element.vr == .SQ || element.vr == .UN || element.vr == .none {
                _ = try readOtherPatientIDs(element, element.itemEncoding(in: encoding))
            }
        case (.directory, _): break
        }
    }

    /// Looks for the pixels among the elements that are in memory anyway, without reading more
    /// of the file: all that ``HeaderAttributes/pixelDataOffset`` promises. ``truncation(of:)``
    /// walks the whole way, and reads for it.
    private mutating func findPixels(from start: Int, _ encoding: DataEncoding) {
        guard !elements.buffer.isInflated else { return }
        rest = .elements(from: start, encoding)
        var position = start
        var previous = Tag(rawValue: 0)
        while elements.buffer.holds(position, 12),
            let element = elements.properElement(at: position, encoding), element.tag > previous,
            element.tag <= Tag.pixels.upperBound
        {
            let isTruncated =
                element.length > elements.buffer.limit - element.value
                && !elements.lacksOnlyPadByte(element)
            if isTruncated, (try? elements.isTrailer(position)) == true { return }
            if Tag.pixels.contains(element.tag) {
                pixelDataOffset = UInt64(position)
                if isTruncated { flags.insert(.pixelDataTruncated) }
                return
            }
            if isTruncated { flags.insert(.truncated) }
            if isTruncated || element.isUndefined { return }
            previous = element.tag
            position = element.value + element.length
        }
    }
}

extension VR {
    /// How a value is read whose value representation is not the expected one.
    fileprivate enum Content {
        case text
        case integers
        /// Anything: it depends on the attribute.
        case bytes
        /// Neither text nor whole numbers.
        case other
    }

    fileprivate var content: Content {
        switch self {
        case .US, .SS, .UL, .SL: .integers
        case .none, .UN, .OB, .OW: .bytes
        case .AT, .FD, .FL, .OD, .OF, .OL, .OV, .SQ, .SV, .UV: .other
        default: .text
        }
    }
}
