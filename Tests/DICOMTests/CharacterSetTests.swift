import DICOM
import Testing

@Suite("Character sets")
struct CharacterSetTests {
    /// Reads a name and an institution in a declared character set.
    private func header(
        _ declared: String?, name: [UInt8] = [], institution: [UInt8] = []
    ) throws -> HeaderAttributes {
        var writer = ByteWriter()
        if let declared { writer.add(0x0008, 0x0005, "CS", declared) }
        writer.add(0x0008, 0x0018, "UI", "1.2.3")
        writer.add(0x0008, 0x0080, "LO", institution)
        writer.add(0x0010, 0x0010, "PN", name)
        return try read(ByteWriter.file(writer.bytes))
    }

    private func expectName(
        _ declared: String?, _ bytes: [UInt8], _ text: String, _ flags: HeaderFlags = []
    ) throws {
        let header = try header(declared, name: bytes)
        #expect(header[.patientName] == text, "\(declared ?? "none")")
        #expect(header.flags == flags, "\(declared ?? "none")")
    }

    /// Bytes of ASCII text in which `␛` stands for escape.
    private func escaped(_ text: String) -> [UInt8] {
        text.unicodeScalars.map { $0 == "␛" ? 0x1B : UInt8(truncatingIfNeeded: $0.value) }
    }

    /// Text in the same letters in every single-byte set.
    private static let singleByte: [(number: Int, final: Character, bytes: [UInt8], text: String)] =
        [
            (100, "A", [0x42, 0x75, 0x63, 0xFC], "Bucü"),
            (101, "B", [0x44, 0x76, 0x6F, 0xF8, 0xE1, 0x6B], "Dvořák"),
            (109, "C", [0xA1, 0x61, 0x6C], "Ħal"),
            (110, "D", [0xD3, 0xBA, 0x64, 0x65], "Ķēde"),
            (144, "L", [0xBB, 0xEE, 0xDA, 0x63, 0x65, 0xDC, 0xD1, 0x79, 0x70, 0xD3], "Люкceмбypг"),
            (127, "G", [0xE2, 0xC8, 0xC7, 0xE6, 0xEA], "قباني"),
            (126, "F", [0xC4, 0xE9, 0xEF, 0xED, 0xF5, 0xF3, 0xE9, 0xEF, 0xF2], "Διονυσιος"),
            (138, "H", [0xF9, 0xF8, 0xE5, 0xEF], "שרון"),
            (148, "M", [0xC7, 0x61, 0x76, 0x75, 0xFE, 0x6F, 0xF0, 0x6C, 0x75], "Çavuşoğlu"),
            (203, "b", [0xBC, 0x75, 0x76, 0x72, 0x65, 0xA4], "Œuvre€"),
            (166, "T", [0xCA, 0xC1, 0xAA, 0xD2, 0xC2], "สมชาย"),
        ]

    @Test(
        "Each single-byte set is read, declared with or without code extensions",
        arguments: singleByte)
    func singleBytes(number: Int, final: Character, bytes: [UInt8], text: String) throws {
        try expectName("ISO_IR \(number)", bytes, text)
        try expectName("ISO 2022 IR \(number)", bytes, text)
        let switched = escaped("A^␛-\(final)") + bytes
        try expectName("\\ISO 2022 IR \(number)", switched, "A^\(text)")
        let after = bytes + Array("^Rex".utf8)
        try expectName("ISO_IR \(number)", after, "\(text)^Rex")
    }

    @Test(
        "Other spellings of a term are understood",
        arguments: [
            "ISO_IR 100", "ISO-IR 100", "ISO IR 100", "ISO_IR_100", "ISO_IR100", "iso_ir 100",
            "ISO 2022 IR 100", "ISO_2022_IR_100", "ISO 2022-IR 100", " ISO_IR 100",
            "ISO_IR 6\\ISO_IR 100", "ISO 2022 IR 6\\ISO 2022 IR 100",
        ])
    func spellings(term: String) throws {
        let bytes = term.contains("\\") ? escaped("␛-A") + [0xFC, 0x72] : [0xFC, 0x72]
        try expectName(term, bytes, "ür")
    }

    @Test("UTF-8, GB18030 and GBK are read as a whole")
    func unicodeAndChinese() throws {
        try expectName("ISO_IR 192", Array("Wang^XiaoDong=王^小東=".utf8), "Wang^XiaoDong=王^小東")
        try expectName("ISO_IR 192", Array("🐕^Rex".utf8), "🐕^Rex")
        try expectName("GB18030", [0x95, 0x32, 0x82, 0x36, 0x5E, 0xD0, 0xA1], "𠀀^小")
        // The second bytes are those of "\" and "^".
        try expectName("GBK", [0x81, 0x5C, 0x5E, 0x81, 0x5E], "乗^乛")
        try expectName("GB18030", [0x81, 0x5C, 0x5C, 0x81, 0x5E], "乗\\乛")
    }

    @Test("Japanese names of PS3.5 annex H are read")
    func japanese() throws {
        let kanji = "Yamada^Tarou=␛$B;3ED␛(B^␛$BB@O:␛(B=␛$B$d$^$@␛(B^␛$B$?$m$&␛(B"
        try expectName("\\ISO 2022 IR 87", escaped(kanji), "Yamada^Tarou=山田^太郎=やまだ^たろう")
        let katakana: [UInt8] = [0xD4, 0xCF, 0xC0, 0xDE, 0x5E, 0xC0, 0xDB, 0xB3, 0x3D]
        let rest = "␛$B;3ED␛(J^␛$BB@O:␛(J=␛$B$d$^$@␛(J^␛$B$?$m$&␛(J"
        try expectName(
            "ISO 2022 IR 13\\ISO 2022 IR 87", katakana + escaped(rest),
            "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう")
    }

    @Test("Bytes of delimiters within characters of two bytes delimit nothing")
    func delimitersWithin() throws {
        // 30 5C, 30 5E and 30 3D, and 5C first.
        let name = escaped("A^␛$B0\\0^0=\\0␛(B^B")
        try expectName("\\ISO 2022 IR 87", name, "A^移緯綾椣^B")
        let value = escaped("␛$B0\\␛(B\\x")
        let header = try header("\\ISO 2022 IR 87", institution: value)
        #expect(header[.institutionName] == "移\\x")
        #expect(header.flags == [])
    }

    @Test("JIS X 0212 is read")
    func supplementaryKanji() throws {
        try expectName("\\ISO 2022 IR 159", escaped("␛$(D0]^!␛(B^x"), "伮誶^x")
    }

    @Test("Half-width katakana and the Latin half of JIS X 0201 are read")
    func jisX0201() throws {
        try expectName("ISO_IR 13", [0xD4, 0xCF, 0x5E, 0x7E, 0x41], "ﾔﾏ^‾A")
        try expectName("\\ISO 2022 IR 13", escaped("␛)I") + [0xD4, 0xCF], "ﾔﾏ")
        try expectName("\\ISO 2022 IR 13", escaped("~␛(J~␛(B~"), "~‾~")
    }

    @Test("Korean names of PS3.5 annex I are read")
    func korean() throws {
        let name =
            escaped("Hong^Gildong=␛$)C") + [0xFB, 0xF3] + escaped("^␛$)C")
            + [0xD1, 0xCE, 0xD4, 0xD7] + escaped("=␛$)C") + [0xC8, 0xAB] + escaped("^␛$)C")
            + [0xB1, 0xE6, 0xB5, 0xBF]
        try expectName("\\ISO 2022 IR 149", name, "Hong^Gildong=洪^吉洞=홍^길동")
    }

    @Test("Simplified Chinese of PS3.5 annex K is read")
    func gb2312() throws {
        let name =
            escaped("Zhang^XiaoDong=␛$)A") + [0xD5, 0xC5] + escaped("^␛$)A")
            + [0xD0, 0xA1, 0xB6, 0xAB] + escaped("=")
        try expectName("\\ISO 2022 IR 58", name, "Zhang^XiaoDong=张^小东")
    }

    @Test("Delimiters and line ends reset the sets to the initial ones")
    func reset() throws {
        let ko = escaped("␛$)C") + [0xC8, 0xAB]
        for separator in ["\\", "\r\n", "\t", "\u{0C}"] {
            let value = ko + Array(separator.utf8) + [0xFC]
            let header = try header("ISO 2022 IR 100\\ISO 2022 IR 149", institution: value)
            #expect(header[.institutionName] == "홍\(separator)ü")
            #expect(header.flags == [])
        }
        // In text that is not a person name, ^ and = delimit nothing.
        let value = ko + Array("^=".utf8) + [0xC8, 0xAB]
        #expect(
            try header("ISO 2022 IR 100\\ISO 2022 IR 149", institution: value)[.institutionName]
                == "홍^=홍")
        try expectName("ISO 2022 IR 100\\ISO 2022 IR 149", ko + Array("^".utf8) + [0xFC], "홍^ü")
    }

    @Test("A writer that forgets to switch back before a delimiter does not spoil the rest")
    func forgottenReset() throws {
        try expectName("\\ISO 2022 IR 87", escaped("Yamada=␛$B;3ED␛(B^x"), "Yamada=山田^x")
        try expectName("\\ISO 2022 IR 87", escaped("␛$B;3ED\u{0D}x"), "山田\rx")
    }

    @Test("Without a declaration, text is UTF-8 where it is valid and else Latin-1")
    func missing() throws {
        for declared in [nil, "", "ISO_IR 6", "ISO 2022 IR 6"] {
            try expectName(declared, Array("Müller".utf8), "Müller", .wrongCharacterSet)
            try expectName(declared, [0x4D, 0xFC], "Mü", .wrongCharacterSet)
            try expectName(declared, Array("Smith^Rex".utf8), "Smith^Rex")
        }
    }

    @Test("An illegal declaration matters only to text outside ASCII")
    func illegal() throws {
        try expectName("KLINGON", Array("Müller".utf8), "Müller", .wrongCharacterSet)
        try expectName("ISO_IR 999", [0x4D, 0xFC], "Mü", .wrongCharacterSet)
        try expectName("ISO_IR 999", Array("Smith^Rex".utf8), "Smith^Rex")
    }

    @Test("A wrong declaration is noticed")
    func wrong() throws {
        try expectName("ISO_IR 192", [0x4D, 0xFC], "Mü", .wrongCharacterSet)
        try expectName("ISO_IR 100", Array("Müller^Ääß".utf8), "Müller^Ääß", .wrongCharacterSet)
        try expectName("GB18030", [0x41, 0xFF], "Aÿ", .wrongCharacterSet)
        try expectName("ISO_IR 126", [0xFF], "ÿ", .wrongCharacterSet)
        // Shift JIS under the name of JIS X 0201, with the byte of "\" in it.
        try expectName("ISO_IR 13", [0x83, 0x5C, 0x5E, 0x41], "ソ^A", .wrongCharacterSet)
    }

    @Test("Escape sequences that were not declared are followed")
    func undeclaredEscape() throws {
        let kanji = escaped("␛$B;3ED␛(B^x")
        try expectName(nil, kanji, "山田^x", .wrongCharacterSet)
        try expectName("ISO_IR 100", kanji, "山田^x", .wrongCharacterSet)
        try expectName("ISO_IR 192", kanji, "山田^x", .wrongCharacterSet)
    }

    @Test("Declared sets that text forgets to switch to are assumed")
    func forgottenEscape() throws {
        try expectName("\\ISO 2022 IR 149", [0xC8, 0xAB], "홍", .wrongCharacterSet)
    }

    @Test("A cut character or an unknown escape sequence does not lose the text")
    func damaged() throws {
        try expectName("\\ISO 2022 IR 87", escaped("␛$B;3E"), "\u{1B}$B;3E", .wrongCharacterSet)
        try expectName("\\ISO 2022 IR 87", escaped("a␛Zb"), "a\u{1B}Zb")
        try expectName("\\ISO 2022 IR 87", escaped("a␛"), "a\u{1B}")
    }

    @Test("Codes, dates and UIDs are not governed by the character set")
    func codes() throws {
        var writer = ByteWriter()
        writer.add(0x0008, 0x0005, "CS", "ISO_IR 144")
        writer.add(0x0008, 0x0060, "CS", [0xC0, 0x20])
        writer.add(0x0010, 0x0020, "LO", "1")
        let header = try read(ByteWriter.file(writer.bytes))
        #expect(header[.modality] == "À")
        #expect(header.flags == .invalidValue)
    }

    @Test("Padding after the text is removed after decoding too")
    func padding() throws {
        try expectName("\\ISO 2022 IR 87", escaped("␛$B;3ED␛(B  "), "山田")
        try expectName("\\ISO 2022 IR 87", escaped("x  ␛(B"), "x")
    }
}
