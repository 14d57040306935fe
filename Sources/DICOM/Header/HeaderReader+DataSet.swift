extension HeaderReader {
    /// Reads the elements of a data set up to the last wanted one.
    mutating func readDataSet(from start: Int, _ encoding: DataEncoding) throws(Fault) {
        var position = start
        var next = 0
        var previous: UInt32 = 0
        current = nil
        rest = window.isInflated ? .deflated(from: dataSetStart) : .elements(from: start, encoding)
        while true {
            if !window.holds(position, 12) {
                let have = try window.reach(position, 12)
                if have == 0 { break }
                guard have >= 8 else { throw .data(.truncatedDataSet, at: position) }
            }
            let element = try element(at: position, encoding)
            let tag = element.tag.rawValue
            current = element.tag
            if tag > WantedElements.last {
                if element.tag.group != 0xFFFE { return lookForPixels(from: position, encoding) }
                position = element.value  // a delimiter left over from a sequence
                continue
            }
            if tag <= previous {  // out of order, against PS3.5 section 7.1
                try countUnusual(element, at: position)
                next = 0
            }
            hasElements = true
            previous = tag
            while wanted.entries[next].tag < tag { next &+= 1 }
            let isWanted = wanted.entries[next].tag == tag
            if isWanted, wanted.entries[next].form == .directory {
                isDirectory = true
                if element.isUndefined { return }  // its records need not be walked through
            }
            if element.isUndefined {
                position = try readUndefined(
                    element, isWanted ? wanted.entries[next].form : .code, encoding)
                continue
            }
            guard element.length <= window.limit &- element.value else {
                throw .data(.badLength, at: position)
            }
            if isWanted {
                try store(wanted.entries[next], element, encoding)
            }
            position = element.value &+ element.length
            if tag == WantedElements.last { return lookForPixels(from: position, encoding) }
            if element.length & 1 != 0 { position = afterOdd(element, encoding) }
        }
        guard position <= window.limit else { throw .data(.truncatedDataSet, at: position) }
        if !hasElements { throw .data(.noDataSet, at: position) }
    }

    /// Counts an element that is not where it belongs, so that bytes which are no elements
    /// at all are not read to their end.
    private mutating func countUnusual(_ element: Element, at position: Int) throws(Fault) {
        unusualElements += 1
        guard element.tag.group > 0, unusualElements <= Self.mostUnusualElements else {
            throw .data(.badElement, at: position)
        }
    }

    /// Goes on to the pixels through what is in memory, but reads nothing for it.
    private mutating func lookForPixels(from start: Int, _ encoding: DataEncoding) {
        if !window.isInflated { rest = .elements(from: start, encoding) }
        var position = start
        var previous = Tag(rawValue: 0)
        let pixels = Tag.firstPixelGroupElement...Tag.lastPixelGroupElement
        while !window.isInflated, window.holds(position, 12),
            let element = properElement(at: position, encoding), element.tag > previous
        {
            let isCut = element.length > window.limit - element.value
            if pixels.contains(element.tag) {
                pixelDataOffset = UInt64(position)
                if isCut { flags.insert(.pixelDataTruncated) }
                return
            }
            if element.tag > Tag.lastPixelGroupElement { return }  // padding or signatures
            if isCut { flags.insert(.truncated) }
            if isCut || element.isUndefined { return }
            previous = element.tag
            position = element.value + element.length
        }
    }

    /// Where the next element begins after one of odd length: right after it, or one byte later
    /// when the writer padded the value without counting the pad.
    func afterOdd(_ element: Element, _ encoding: DataEncoding) -> Int {
        let end = element.value + element.length
        guard window.holds(end, 13) else { return end }
        func isElement(_ position: Int) -> Bool {
            guard let next = properElement(at: position, encoding) else { return false }
            return next.tag > element.tag && next.length <= window.limit - next.value
        }
        return !isElement(end) && isElement(end + 1) ? end + 1 : end
    }

    /// Reads or skips the items of an element of undefined length.
    ///
    /// - Returns: The place after it.
    private mutating func readUndefined(
        _ element: Element, _ form: WantedElements.Form, _ encoding: DataEncoding
    ) throws(Fault) -> Int {
        let inner = element.vr == .UN ? DataEncoding.implicitLittleEndian : encoding
        switch form {
        case .otherPatientIDs:
            return try readOtherPatientIDs(element, inner)
        default:
            return try skipItems(of: element, inner, depth: 1)
        }
    }

    private mutating func store(
        _ entry: WantedElements.Entry, _ element: Element, _ encoding: DataEncoding
    ) throws(Fault) {
        switch entry.form {
        case .code, .text:
            switch element.vr.content {
            case .text, .bytes: try storeText(entry.attribute, element, form: entry.form)
            case .integers: try storeNumbers(entry.attribute, element, encoding)
            case .other: flags.insert(.invalidValue)
            }
        case .number:
            switch element.vr.content {
            case .text: try storeText(entry.attribute, element, form: .code)
            case .integers, .bytes: try storeNumbers(entry.attribute, element, encoding)
            case .other: flags.insert(.invalidValue)
            }
        case .characterSet:
            try storeText(entry.attribute, element, form: .code)
            let length = min(element.length, Self.longestValue)
            declareCharacterSet(window.bytes(element.value, length))
        case .otherPatientIDs:
            let inner = element.vr == .UN ? DataEncoding.implicitLittleEndian : encoding
            if element.vr == .SQ || element.vr == .UN || element.vr == .none {
                _ = try readOtherPatientIDs(element, inner)
            }
        case .directory: break
        }
    }
}

extension VR {
    /// What a value can be read as when its value representation is not the expected one.
    fileprivate enum Content {
        case text
        case integers
        /// Anything: the attribute tells.
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
