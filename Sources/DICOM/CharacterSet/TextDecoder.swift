/// Converts text from DICOM's character sets to UTF-8.
struct TextDecoder: ~Copyable {
    /// The declaration of the data set, or of the sequence item being read.
    var declaration = CharacterSetDeclaration.none
    private var iconv = Iconv()
    private var run = UnsafeMutableRawBufferPointer.allocate(byteCount: 512, alignment: 16)

    deinit { run.deallocate() }

    /// Appends the text of a value.
    ///
    /// Text that cannot be decoded as declared is read as UTF-8 where it is valid UTF-8,
    /// otherwise as Latin-1, in which every byte has a meaning.
    ///
    /// - Returns: Whether the declaration seems right.
    mutating func decode(
        _ bytes: UnsafeRawBufferPointer, vr: VR, to text: inout AttributeText
    ) -> Bool {
        let start = text.count
        if declaration.form != .codeExtensions, Self.hasEscape(bytes) {
            // Text that switches sets although its declaration forbids it.
            if decodeExtensions(bytes, vr, &text) != nil { return false }
            text.truncate(to: start)
        }
        switch declaration.form {
        case .utf8:
            if TextScan.isValidUTF8(bytes) {
                text.append(bytes)
                return true
            }
        case .gb18030:
            if iconv.convert(bytes, from: .gb18030, to: &text) { return true }
        case .gbk:
            if iconv.convert(bytes, from: .gbk, to: &text) { return true }
        case .codeExtensions:
            // Real Latin-1 text is never valid UTF-8 ("Ã¼"), but UTF-8 is often declared Latin-1.
            let isMislabelled =
                declaration.initialG1 == .latin1 && bytes.contains { $0 >= 0x80 }
                && TextScan.isValidUTF8(bytes) && !Self.hasEscape(bytes)
            if !isMislabelled, let isRight = decodeExtensions(bytes, vr, &text) { return isRight }
        }
        text.truncate(to: start)
        appendFallback(bytes, &text)
        return false
    }

    private mutating func appendFallback(
        _ bytes: UnsafeRawBufferPointer, _ text: inout AttributeText
    ) {
        let start = text.count
        if declaration.declares(.katakana) || declaration.declares(.jisX0208) {
            // Japanese devices that declare JIS X 0201 may write Shift JIS.
            if iconv.convert(bytes, from: .shiftJIS, to: &text) { return }
            text.truncate(to: start)
        }
        if TextScan.isValidUTF8(bytes) {
            text.append(bytes)
        } else {
            for byte in bytes { text.append(scalar: UInt32(byte)) }
        }
    }

    /// Decodes text in G0 and G1 with escape sequences.
    ///
    /// - Returns: Whether the declaration was right, `nil` when the text cannot be decoded.
    private mutating func decodeExtensions(
        _ bytes: UnsafeRawBufferPointer, _ vr: VR, _ text: inout AttributeText
    ) -> Bool? {
        var g0 = declaration.initialG0
        var g1 = declaration.initialG1
        var isRight = true
        var index = 0
        while index < bytes.count {
            let byte = bytes[index]
            if byte == 0x1B, let (set, length) = Self.escape(bytes, index) {
                if !declaration.declares(set) { isRight = false }
                if set.rawValue >= GraphicSet.latin1.rawValue { g1 = set } else { g0 = set }
                index += length
            } else if byte >= 0x80 {
                if g1 == .none {
                    g1 = declaration.anyG1
                    isRight = false
                }
                let end = Self.endOfRun(bytes, index) { $0 >= 0x80 }
                guard appendG1(bytes, index..<end, g1, &text) else { return nil }
                index = end
            } else if g0.isDouble, (0x21...0x7E).contains(byte) {
                let end = Self.endOfRun(bytes, index) { (0x21...0x7E).contains($0) }
                if end - index == 1, Self.isDelimiter(byte, vr) {
                    // The writer forgot to switch back to ASCII before a delimiter.
                    text.append(byte)
                    (g0, g1) = (declaration.initialG0, declaration.initialG1)
                } else {
                    guard appendDouble(bytes, index..<end, g0, &text) else { return nil }
                }
                index = end
            } else {
                if g0 == .romaji, byte == 0x7E {
                    text.append(scalar: 0x203E)
                } else {
                    text.append(byte)
                }
                if Self.isDelimiter(byte, vr) || (0x09...0x0D).contains(byte) {
                    (g0, g1) = (declaration.initialG0, declaration.initialG1)
                }
                index += 1
            }
        }
        return isRight
    }

    private static func endOfRun(
        _ bytes: UnsafeRawBufferPointer, _ start: Int, _ belongs: (UInt8) -> Bool
    ) -> Int {
        var end = start + 1
        while end < bytes.count, belongs(bytes[end]) { end += 1 }
        return end
    }

    /// Whether a byte of ASCII separates values or parts of a person name. A delimiter resets G0
    /// and G1 to their initial sets (PS3.5 section 6.1.2.5.3).
    private static func isDelimiter(_ byte: UInt8, _ vr: VR) -> Bool {
        switch byte {
        case 0x5C: !vr.isSingleValued
        case 0x5E, 0x3D: vr == .PN
        default: false
        }
    }

    private mutating func appendG1(
        _ bytes: UnsafeRawBufferPointer, _ range: Range<Int>, _ set: GraphicSet,
        _ text: inout AttributeText
    ) -> Bool {
        switch set {
        case .latin1:
            for byte in bytes[range] { text.append(scalar: UInt32(byte)) }
            return true
        case .katakana:
            for byte in bytes[range] {
                guard (0xA1...0xDF).contains(byte) else { return false }
                text.append(scalar: 0xFF61 + UInt32(byte - 0xA1))
            }
            return true
        default:
            guard let converter = set.converter else { return false }
            let source = UnsafeRawBufferPointer(rebasing: bytes[range])
            return iconv.convert(source, from: converter, to: &text)
        }
    }

    /// Appends characters of two bytes in G0. They are converted from EUC-JP, which has the same
    /// bytes in G1, those of JIS X 0212 after a byte 0x8F.
    private mutating func appendDouble(
        _ bytes: UnsafeRawBufferPointer, _ range: Range<Int>, _ set: GraphicSet,
        _ text: inout AttributeText
    ) -> Bool {
        guard range.count % 2 == 0, let converter = set.converter else { return false }
        let needed = range.count / 2 * 3
        if needed > run.count {
            run.deallocate()
            run = .allocate(byteCount: needed, alignment: 16)
        }
        var count = 0
        for index in stride(from: range.lowerBound, to: range.upperBound, by: 2) {
            if set == .jisX0212 {
                run[count] = 0x8F
                count += 1
            }
            run[count] = bytes[index] | 0x80
            run[count + 1] = bytes[index + 1] | 0x80
            count += 2
        }
        let source = UnsafeRawBufferPointer(rebasing: run[..<count])
        return iconv.convert(source, from: converter, to: &text)
    }

    private static func hasEscape(_ bytes: UnsafeRawBufferPointer) -> Bool {
        bytes.indices.contains { bytes[$0] == 0x1B && escape(bytes, $0) != nil }
    }

    /// The set that an escape sequence switches to, and its length (PS3.3 table C.12-3, C.12-4).
    private static func escape(
        _ bytes: UnsafeRawBufferPointer, _ start: Int
    ) -> (GraphicSet, length: Int)? {
        func byte(_ index: Int) -> UInt8 { start + index < bytes.count ? bytes[start + index] : 0 }
        switch (byte(1), byte(2)) {
        case (0x28, 0x42): return (.ascii, 3)  // ( B
        case (0x28, 0x4A): return (.romaji, 3)  // ( J
        case (0x29, 0x49): return (.katakana, 3)  // ) I
        case (0x2D, 0x41): return (.latin1, 3)  // - A
        case (0x2D, 0x42): return (.latin2, 3)
        case (0x2D, 0x43): return (.latin3, 3)
        case (0x2D, 0x44): return (.latin4, 3)
        case (0x2D, 0x4C): return (.cyrillic, 3)
        case (0x2D, 0x47): return (.arabic, 3)
        case (0x2D, 0x46): return (.greek, 3)
        case (0x2D, 0x48): return (.hebrew, 3)
        case (0x2D, 0x4D): return (.latin5, 3)
        case (0x2D, 0x62): return (.latin9, 3)
        case (0x2D, 0x54): return (.thai, 3)
        case (0x24, 0x42), (0x24, 0x40): return (.jisX0208, 3)  // $ B, and $ @ of 1978
        case (0x24, 0x28) where byte(3) == 0x44: return (.jisX0212, 4)  // $ ( D
        case (0x24, 0x29) where byte(3) == 0x43: return (.ksX1001, 4)  // $ ) C
        case (0x24, 0x29) where byte(3) == 0x41: return (.gb2312, 4)  // $ ) A
        default: return nil
        }
    }
}
