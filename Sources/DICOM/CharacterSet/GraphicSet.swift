/// A set of characters that can be in G0 (bytes 21 to 7E) or G1 (A0 to FF) while text with
/// ISO 2022 code extensions is read (PS3.5 section 6.1, PS3.3 table C.12-3 and C.12-4).
enum GraphicSet: UInt8 {
    case none
    // G0
    case ascii
    /// The Latin half of JIS X 0201: ASCII except for two characters.
    case romaji
    case jisX0208
    case jisX0212
    // G1
    case latin1, latin2, latin3, latin4, cyrillic, arabic, greek, hebrew, latin5, latin9, thai
    /// The katakana half of JIS X 0201.
    case katakana
    case ksX1001
    case gb2312

    /// Whether a character has two bytes.
    var isDouble: Bool {
        switch self {
        case .jisX0208, .jisX0212, .ksX1001, .gb2312: true
        default: false
        }
    }

    /// The encoding in which iconv(3) knows the set, with its bytes in G1 or moved there.
    var converter: Converter? {
        switch self {
        case .latin2: .latin2
        case .latin3: .latin3
        case .latin4: .latin4
        case .cyrillic: .cyrillic
        case .arabic: .arabic
        case .greek: .greek
        case .hebrew: .hebrew
        case .latin5: .latin5
        case .latin9: .latin9
        case .thai: .thai
        case .jisX0208, .jisX0212: .eucJP
        case .ksX1001: .eucKR
        case .gb2312: .eucCN
        case .none, .ascii, .romaji, .latin1, .katakana: nil
        }
    }
}

/// An encoding that iconv(3) converts to UTF-8.
enum Converter: UInt8, CaseIterable {
    case latin2, latin3, latin4, cyrillic, arabic, greek, hebrew, latin5, latin9, thai
    case eucJP, eucKR, eucCN, shiftJIS, gb18030, gbk

    /// The name that `iconv -l` shows.
    var name: String {
        switch self {
        case .latin2: "ISO-8859-2"
        case .latin3: "ISO-8859-3"
        case .latin4: "ISO-8859-4"
        case .cyrillic: "ISO-8859-5"
        case .arabic: "ISO-8859-6"
        case .greek: "ISO-8859-7"
        case .hebrew: "ISO-8859-8"
        case .latin5: "ISO-8859-9"
        case .latin9: "ISO-8859-15"
        case .thai: "TIS-620"
        case .eucJP: "EUC-JP"
        case .eucKR: "EUC-KR"
        case .eucCN: "EUC-CN"
        case .shiftJIS: "WINDOWS-31J"
        case .gb18030: "GB18030"
        case .gbk: "GBK"
        }
    }
}
