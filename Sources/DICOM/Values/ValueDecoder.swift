/// Turns the values of wanted elements into the text of attributes.
///
/// It sees the bytes of one value at a time and knows nothing of the file around them.
struct ValueDecoder: ~Copyable {
    /// More numbers than this in one of our attributes, which have one, are not kept.
    private static let mostNumbers = 16

    /// The text decoded so far.
    var text = AttributeText()
    /// The unusual properties of the values.
    private(set) var flags: HeaderFlags = []
    private var decoder = TextDecoder()
    private var lastDeclared: [UInt8] = []
    private var lastDeclaration = CharacterSetDeclaration.none

    /// Begins with another data set.
    mutating func reset() {
        text.removeAll()
        flags = []
        decoder.declaration = .none
    }

    /// Whether an attribute was read and is not empty.
    func has(_ attribute: Attribute) -> Bool { text.hasValue(attribute) }

    /// Notes a value that its attribute does not allow.
    mutating func noteInvalid() { flags.insert(.invalidValue) }

    // MARK: Character sets

    /// The declaration that governs the text which follows.
    var declaration: CharacterSetDeclaration {
        get { decoder.declaration }
        set { decoder.declaration = newValue }
    }

    /// Applies the value of (0008,0005) to the text that follows.
    mutating func declareCharacterSet(_ value: UnsafeRawBufferPointer) {
        if !lastDeclared.elementsEqual(value) || lastDeclared.isEmpty {
            lastDeclared = Array(value)
            lastDeclaration = CharacterSetDeclaration(value)
        }
        decoder.declaration = lastDeclaration
    }

    // MARK: Text

    /// Stores a value as the text of an attribute. Of two elements with the same tag the first
    /// counts.
    @inline(__always)
    mutating func storeText(_ attribute: Attribute, _ value: UnsafeRawBufferPointer, vr: VR) {
        if text.has(attribute) { return }
        let start = text.count
        appendText(value, vr)
        if vr == .PN { text.trimEmptyNameGroups(since: start) }
        text.assign(attribute, since: start)
    }

    /// Appends the text of a value, without its padding.
    @inline(__always)
    mutating func appendText(_ padded: UnsafeRawBufferPointer, _ vr: VR) {
        guard let bytes = padded.baseAddress else { return }
        var count = padded.count
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
            noteInvalid()
            if TextScan.isValidUTF8(value) {
                text.append(value)
            } else {
                for byte in value { text.append(scalar: UInt32(byte)) }
            }
        }
    }

    // MARK: Numbers

    /// Stores binary numbers in decimal as the text of an attribute.
    mutating func storeNumbers(
        _ attribute: Attribute, _ value: UnsafeRawBufferPointer, vr: VR, _ encoding: DataEncoding
    ) {
        guard !text.has(attribute), let bytes = value.baseAddress else { return }
        let start = text.count
        let width = vr == .UL || vr == .SL ? 4 : 2
        let count = min(value.count / width, Self.mostNumbers)
        if count != 1 && value.count > 0 || value.count % width != 0 { noteInvalid() }
        for index in 0..<count {
            if index > 0 { text.append(0x5C) }
            let number = bytes + index * width
            switch vr {
            case .UL: appendDecimal(Int(encoding.number32(at: number)))
            case .SL: appendDecimal(Int(Int32(bitPattern: encoding.number32(at: number))))
            case .SS: appendDecimal(Int(Int16(bitPattern: encoding.number16(at: number))))
            default: appendDecimal(Int(encoding.number16(at: number)))
            }
        }
        text.assign(attribute, since: start)
    }

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
