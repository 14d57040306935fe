/// Quick tests of text, without decoding it.
enum TextScan {
    /// Whether all bytes are below 0x80 and none is an escape. Such text means the same in
    /// (nearly) every character set.
    @inline(__always)
    static func isPlainASCII(_ start: UnsafeRawPointer, _ count: Int) -> Bool {
        var index = 0
        while index &+ 8 <= count {
            let word = start.loadUnaligned(fromByteOffset: index, as: UInt64.self)
            if hasHighOrEscape(word) { return false }
            index &+= 8
        }
        while index < count {
            let byte = start.load(fromByteOffset: index, as: UInt8.self)
            if byte >= 0x80 || byte == 0x1B { return false }
            index &+= 1
        }
        return true
    }

    /// Tests eight bytes at once. The exclusive or turns a byte 0x1B into zero, and subtracting
    /// one from a zero byte sets its highest bit.
    @inline(__always)
    private static func hasHighOrEscape(_ word: UInt64) -> Bool {
        let high: UInt64 = 0x8080_8080_8080_8080
        if word & high != 0 { return true }
        let escapes = word ^ 0x1B1B_1B1B_1B1B_1B1B
        return (escapes &- 0x0101_0101_0101_0101) & ~escapes & high != 0
    }

    /// Whether the bytes are well-formed UTF-8 (Unicode table 3-7).
    static func isValidUTF8(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var index = 0
        while index < bytes.count {
            let byte = bytes[index]
            if byte < 0x80 {
                index += 1
                continue
            }
            let length: Int
            var lowest: UInt8 = 0x80
            var highest: UInt8 = 0xBF
            switch byte {
            case 0xC2...0xDF: length = 2
            case 0xE0: (length, lowest) = (3, 0xA0)
            case 0xED: (length, highest) = (3, 0x9F)
            case 0xE1...0xEF: length = 3
            case 0xF0: (length, lowest) = (4, 0x90)
            case 0xF4: (length, highest) = (4, 0x8F)
            case 0xF1...0xF3: length = 4
            default: return false
            }
            guard index + length <= bytes.count else { return false }
            guard (lowest...highest).contains(bytes[index + 1]) else { return false }
            for next in index + 1..<index + length where bytes[next] & 0xC0 != 0x80 {
                return false
            }
            index += length
        }
        return true
    }
}

extension TextScan {
    static func isPlainASCII(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard let start = bytes.baseAddress else { return true }
        return isPlainASCII(start, bytes.count)
    }
}
