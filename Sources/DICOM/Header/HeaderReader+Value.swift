extension HeaderReader {
    /// Decodes the value of an element as the text of an attribute; of two elements with the
    /// same tag the first counts.
    @inline(__always)
    mutating func storeText(
        _ attribute: Attribute, _ element: Element, form: WantedElements.Form
    ) throws(Fault) {
        let length = try bringValue(element)
        if text.has(attribute) { return }
        let start = text.count
        let vr = form == .text ? attribute.vr : .CS
        appendText(element.value, length, vr)
        if vr == .PN { text.trimEmptyNameGroups(since: start) }
        text.assign(attribute, since: start)
    }

    /// Brings the value of an element into the window.
    ///
    /// - Returns: Its length, cut off at the longest one allowed.
    @inline(__always)
    mutating func bringValue(_ element: Element) throws(Fault) -> Int {
        var length = element.length
        if length > Self.longestValue {
            length = Self.longestValue
            flags.insert(.invalidValue)
        }
        if !window.holds(element.value, length) {
            guard try window.reach(element.value, length) >= length else {
                throw .data(.badLength, at: element.value)
            }
        }
        return length
    }

    /// Appends the text of a value that is in the window, without its padding.
    @inline(__always)
    mutating func appendText(_ position: Int, _ length: Int, _ vr: VR) {
        let bytes = window.pointer(position)
        var count = length
        while count > 0 {
            let byte = bytes.load(fromByteOffset: count &- 1, as: UInt8.self)
            guard byte == 0x20 || byte == 0 else { break }
            count &-= 1
        }
        let value = UnsafeRawBufferPointer(start: bytes, count: count)
        if TextScan.isPlainASCII(bytes, count), decoder.declaration.initialG0 == .ascii {
            text.append(value)
        } else {
            appendDecoded(value, vr)
        }
    }

    private mutating func appendDecoded(_ value: UnsafeRawBufferPointer, _ vr: VR) {
        let start = text.count
        if vr.usesCharacterSet {
            if !decoder.decode(value, vr: vr, to: &text) { flags.insert(.wrongCharacterSet) }
            text.trimPadding(since: start)
        } else if TextScan.isPlainASCII(value) {
            text.append(value)
        } else {
            flags.insert(.invalidValue)
            if TextScan.isValidUTF8(value) {
                text.append(value)
            } else {
                for byte in value { text.append(scalar: UInt32(byte)) }
            }
        }
    }

    /// Writes binary numbers in decimal.
    mutating func storeNumbers(
        _ attribute: Attribute, _ element: Element, _ encoding: DataEncoding
    ) throws(Fault) {
        let length = try bringValue(element)
        if text.has(attribute) { return }
        let start = text.count
        let width = element.vr == .UL || element.vr == .SL ? 4 : 2
        let count = min(length / width, Self.mostNumbers)
        if count != 1 && length > 0 || length % width != 0 { flags.insert(.invalidValue) }
        for index in 0..<count {
            if index > 0 { text.append(0x5C) }
            let place = window.pointer(element.value + index * width)
            switch element.vr {
            case .UL: appendDecimal(Int(Self.number32(place, encoding)))
            case .SL: appendDecimal(Int(Int32(bitPattern: Self.number32(place, encoding))))
            case .SS: appendDecimal(Int(Int16(bitPattern: Self.number16(place, encoding))))
            default: appendDecimal(Int(Self.number16(place, encoding)))
            }
        }
        text.assign(attribute, since: start)
    }

    /// More numbers than this in one of our attributes, which have one, are not kept.
    private static let mostNumbers = 16

    private mutating func appendDecimal(_ number: Int) {
        if number < 0 { text.append(0x2D) }
        let magnitude = number.magnitude
        var divisor: UInt = 1
        while magnitude / divisor >= 10 { divisor *= 10 }
        while divisor > 0 {
            text.append(0x30 + UInt8(truncatingIfNeeded: magnitude / divisor % 10))
            divisor /= 10
        }
    }
}
