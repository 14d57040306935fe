import SyntheticStudy

/// Texts as only a bad day or bad intent writes them.
struct HostileText {
    private var generator: SeededRandom

    init(seed: UInt64) { generator = SeededRandom(seed: seed) }

    private static let fragments: [String] = [
        "/", "\\", "..", ".", " ", "CON", "nul.", "LPT1", ":", "*", "\0", "\r\n", "\u{1B}$B", "^",
        "=",
        "\u{301}", "\u{202E}", "\u{200D}", "\u{FEFF}", "🐕", "👩‍⚕️", "שלום", "مرحبا", "ß", "İ", "ı",
        "ς",
        "ﬁ", "Å", "é", "e\u{301}", "\u{1100}\u{1161}", "각", "\u{FFFE}", "~1f3a", "%s", "$(id)", "`",
        ";",
        "{PatientID}", "~", "-rf", "'", "\"", ".dcm", "\u{D4E}", "\u{600}", "\u{3000}", "\u{FFFD}",
    ]

    mutating func text() -> String {
        var text = String.UnicodeScalarView()
        let count = Int.random(
            in: 0...(Bool.random(using: &generator) ? 8 : 300), using: &generator)
        for _ in 0..<count {
            switch Int.random(in: 0..<5, using: &generator) {
            case 0: text.append(Unicode.Scalar(UInt8.random(in: 0..<128, using: &generator)))
            case 1: text.append(scalar(in: 0x80...0x24FF))
            case 2: text.append(scalar(in: 0x300...0x36F))
            case 3: text.append(scalar(in: 0x80...0x10FFFF))
            default:
                let index = Int.random(in: 0..<Self.fragments.count, using: &generator)
                text.append(contentsOf: Self.fragments[index].unicodeScalars)
            }
        }
        return String(text)
    }

    private mutating func scalar(in range: ClosedRange<UInt32>) -> Unicode.Scalar {
        Unicode.Scalar(UInt32.random(in: range, using: &generator)) ?? "\u{FFFD}"
    }
}
