extension HeaderReader {
    /// Settles the encoding of a data set after group 0002 or `DICM`, and starts inflating a
    /// deflated one.
    ///
    /// - Returns: The encoding, and where the data set begins in the window.
    mutating func declaredEncoding(
        of dataSet: Int
    ) throws(Fault) -> (DataEncoding, position: Int) {
        let syntax = text.withText(.transferSyntaxUID) { TransferSyntax(uid: $0) }
        switch syntax {
        case .known(let declared):
            if fits(declared, at: dataSet) { return (declared, dataSet) }
            guard let found = try detectEncoding(at: dataSet), found != declared else {
                return (declared, dataSet)
            }
            flags.insert(.wrongTransferSyntax)
            return (found, dataSet)
        case .unknown:
            return (try detectEncoding(at: dataSet) ?? .explicitLittleEndian, dataSet)
        case .deflated:
            if let found = try detectEncoding(at: dataSet) {
                flags.insert(.wrongTransferSyntax)
                return (found, dataSet)
            }
            try window.inflate(from: dataSet)
            guard try window.reach(0, 8) >= 8 else { throw .data(.deflateCorrupt, at: 0) }
            if fits(.explicitLittleEndian, at: 0) { return (.explicitLittleEndian, 0) }
            guard let found = try detectEncoding(at: 0), found != .explicitLittleEndian else {
                return (.explicitLittleEndian, 0)
            }
            flags.insert(.wrongTransferSyntax)
            return (found, 0)
        }
    }

    /// The encoding of a file that begins with its data set, `nil` when it does not.
    mutating func bareEncoding(at position: Int) throws(Fault) -> DataEncoding? {
        try detectEncoding(at: position)
    }

    /// A quick look at one element that settles it for honest files.
    private func fits(_ encoding: DataEncoding, at position: Int) -> Bool {
        let head = window.pointer(position)
        let group = Self.number16(head, encoding)
        let layout = layouts[head.loadUnaligned(fromByteOffset: 4, as: UInt16.self)]
        return (0x0001...0x00FF).contains(group) && (layout != .unknown) == encoding.isExplicit
    }

    /// Finds the encoding from the first elements.
    private mutating func detectEncoding(at position: Int) throws(Fault) -> DataEncoding? {
        _ = try window.reach(position, 1024)
        for encoding in [DataEncoding.explicitLittleEndian, .explicitBigEndian] {
            let chain = chain(from: position, encoding)
            if chain.elements >= 3 || chain.elements >= 1 && !chain.isBroken { return encoding }
        }
        for encoding in [DataEncoding.implicitLittleEndian, .implicitBigEndian] {
            let chain = chain(from: position, encoding)
            if !chain.isBroken && (chain.elements >= 3 || chain.elements >= 1 && chain.isComplete) {
                return encoding
            }
        }
        return nil
    }

    /// How far the bytes at `position` make sense as elements in an encoding.
    private struct Chain {
        var elements = 0
        /// The last bytes looked at make no sense.
        var isBroken = false
        /// Everything was looked at: to the end of the file or to a sequence.
        var isComplete = false
    }

    private func chain(from start: Int, _ encoding: DataEncoding) -> Chain {
        var chain = Chain()
        var position = start
        var previous = Tag(rawValue: 0)
        while chain.elements < 8 {
            if position == window.limit {
                chain.isComplete = true
                break
            }
            guard window.holds(position, 8) else {
                chain.isBroken = position + 8 > window.limit
                break
            }
            guard let element = properElement(at: position, encoding),
                chain.elements == 0 ? element.tag.group <= 0x0028 : element.tag > previous,
                element.tag.group > 0, element.tag.group <= 0x7FE0
            else {
                chain.isBroken = true
                break
            }
            if element.isUndefined {
                guard window.holds(element.value, 4) else { break }
                let word = window.pointer(element.value).loadUnaligned(as: UInt32.self)
                let isItem = [0xE000_FFFE, 0xE0DD_FFFE, 0xFFFE_E000, 0xFFFE_E0DD].contains(
                    encoding.isBigEndian ? word.byteSwapped : word)
                chain.isBroken = !isItem
                chain.isComplete = isItem
                chain.elements += isItem ? 1 : 0
                break
            }
            guard element.length <= window.limit - element.value else {
                chain.isBroken = true
                break
            }
            chain.elements += 1
            previous = element.tag
            position = element.value + element.length
        }
        return chain
    }

    /// The head of an element, with a proper value representation where there is one.
    func properElement(at position: Int, _ encoding: DataEncoding) -> Element? {
        let head = window.pointer(position)
        let tag = Tag(Self.number16(head, encoding), Self.number16(head + 2, encoding))
        guard encoding.isExplicit else {
            let length = Self.number32(head + 4, encoding)
            return Element(
                tag: tag, vr: .none, value: position + 8,
                length: length == .max ? Element.undefined : Int(length))
        }
        let vr = VR(rawValue: head.loadUnaligned(fromByteOffset: 4, as: UInt16.self))
        switch layouts[vr.rawValue] {
        case .unknown: return nil
        case .short:
            return Element(
                tag: tag, vr: vr, value: position + 8,
                length: Int(Self.number16(head + 6, encoding)))
        case .long:
            guard window.holds(position, 12) else { return nil }
            let length = Self.number32(head + 8, encoding)
            return Element(
                tag: tag, vr: vr, value: position + 12,
                length: length == .max ? Element.undefined : Int(length))
        }
    }
}
