extension HeaderReader {
    /// Reads the elements of a data set up to the last wanted one.
    mutating func readDataSet(from start: Int, _ encoding: DataEncoding) throws(Fault) {
        var position = start
        var next = 0
        var previous: UInt32 = 0
        current = nil
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
                if element.tag.group != 0xFFFE { return endHeader(element, at: position) }
                position = element.value  // a delimiter left over from a sequence
                continue
            }
            hasElements = true
            if tag < previous { next = 0 }  // out of order, against PS3.5 section 7.1
            previous = tag
            while wanted.entries[next].tag < tag { next &+= 1 }
            let isWanted = wanted.entries[next].tag == tag
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
                if tag == WantedElements.last { return }
            }
            position = element.value &+ element.length
        }
        if !hasElements { throw .data(.noDataSet, at: position) }
    }

    /// Notes where the pixels are, if these end the header.
    private mutating func endHeader(_ element: Element, at position: Int) {
        let pixels = Tag.firstPixelGroupElement...Tag.lastPixelGroupElement
        if pixels.contains(element.tag), !window.isInflated {
            pixelDataOffset = UInt64(position)
        }
    }

    /// Reads or skips the items of an element of undefined length.
    ///
    /// - Returns: The place after it.
    private mutating func readUndefined(
        _ element: Element, _ form: WantedElements.Form, _ encoding: DataEncoding
    ) throws(Fault) -> Int {
        let inner = element.vr == .UN ? DataEncoding.implicitLittleEndian : encoding
        switch form {
        case .directory:
            isDirectory = true
            return window.limit
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
            if element.vr.isBinaryNumber {
                try storeNumbers(entry.attribute, element, encoding)
            } else {
                try storeText(entry.attribute, element, form: entry.form)
            }
        case .number:
            if element.vr.isBinaryNumber || element.vr == .none || element.vr == .UN
                || element.vr == .OW || element.vr == .OB
            {
                try storeNumbers(entry.attribute, element, encoding)
            } else {
                try storeText(entry.attribute, element, form: .code)
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
        case .directory:
            isDirectory = true
        }
    }
}

extension VR {
    var isBinaryNumber: Bool { self == .US || self == .SS || self == .UL || self == .SL }
}
