import Storage

/// A line of the recovery sheet that a restore needs. People type it off paper, so it has a number,
/// nothing that looks like something else, and a word that is a checksum of all before it:
///
///     7  rclone.endpoint   https://s3.example.org   lusab
struct SheetLine: Hashable {
    /// From 1, over the whole sheet.
    var number: Int
    /// `remote`, `id`, `path`, `rclone.OPTION`, `crypt.password`, `crypt.salt`, `end`; `+` when it
    /// goes on with the value of the line before.
    var key: String
    /// Without blanks.
    var value: String

    /// The checksum.
    var word: String { Self.word(for: "\(number) \(key) \(value)") }

    /// As it is printed, at most 78 characters.
    var text: String {
        func padded(_ text: String, _ count: Int) -> String {
            text + String(repeating: " ", count: max(0, count - text.count))
        }
        let digits = String(number)
        return [
            String(repeating: " ", count: max(0, 3 - digits.count)) + digits, padded(key, 20),
            padded(value, Self.mostCharacters), word,
        ].joined(separator: " ")
    }

    /// 16 bits of the SHA-256 of a text as consonants and vowels, which are easier to compare than
    /// digits.
    ///
    /// See: https://arxiv.org/html/0901.4016 (proquints)
    static func word(for text: String) -> String {
        let consonants = Array("bdfghjklmnprstvz")
        let vowels = Array("aiou")
        let bytes = Digest.of(Array(text.utf8)).bytes
        let bits = Int(bytes[0]) << 8 | Int(bytes[1])
        return String([
            consonants[bits >> 12 & 15], vowels[bits >> 10 & 3], consonants[bits >> 6 & 15],
            vowels[bits >> 4 & 3], consonants[bits & 15],
        ])
    }

    /// The most characters of a value on one line.
    static let mostCharacters = 44

    /// The lines of a value.
    static func lines(_ key: String, _ value: String, from number: Int) -> [SheetLine] {
        var rest = Substring(SheetValue.encoded(value))
        var lines: [SheetLine] = []
        repeat {
            let piece = rest.prefix(mostCharacters)
            rest = rest.dropFirst(mostCharacters)
            lines.append(
                SheetLine(
                    number: number + lines.count, key: lines.isEmpty ? key : "+",
                    value: String(piece)))
        } while !rest.isEmpty
        return lines
    }

    /// What a person has typed.
    enum Typed: Hashable {
        case line(SheetLine)
        /// It begins like one, and something in it is not as it was printed.
        case mistyped(Int)
        /// Some other text of the sheet.
        case other
    }

    /// Reads a line of text.
    static func read(_ text: some StringProtocol) -> Typed {
        let words = text.split { $0.isWhitespace }.map { String($0) }
        guard words.count >= 3, let number = Int(words[0]), number > 0, isKey(words[1]) else {
            return .other
        }
        guard words.count == 4 else { return .mistyped(number) }
        let line = SheetLine(number: number, key: words[1], value: words[2])
        return line.word == words[3].lowercased() ? .line(line) : .mistyped(number)
    }

    private static func isKey(_ word: String) -> Bool {
        ["remote", "id", "path", "end", "+"].contains(word) || word.hasPrefix("rclone.")
            || word.hasPrefix("crypt.")
    }
}

/// Values of a sheet have no blanks, and nothing that cannot be typed.
enum SheetValue {
    private static func isPlain(_ text: String) -> Bool {
        !text.isEmpty && !text.hasPrefix("=") && text.utf8.allSatisfy { (0x21...0x7E).contains($0) }
    }

    /// The value itself; otherwise a `=` and its bytes, in hexadecimal where necessary (`%20`).
    static func encoded(_ text: String) -> String {
        if isPlain(text) { return text }
        return "="
            + text.utf8.map { byte in
                if (0x21...0x7E).contains(byte), byte != UInt8(ascii: "%") {
                    return String(UnicodeScalar(byte))
                }
                let digits = String(byte, radix: 16)
                return "%" + (digits.count < 2 ? "0" : "") + digits
            }.joined()
    }

    /// `nil` when this is no value of a sheet.
    static func decoded(_ text: String) -> String? {
        guard text.hasPrefix("=") else { return text }
        var bytes: [UInt8] = []
        var rest = text.dropFirst()
        while let character = rest.first {
            if character == "%" {
                guard rest.count >= 3, let byte = UInt8(rest.dropFirst().prefix(2), radix: 16)
                else { return nil }
                bytes.append(byte)
                rest = rest.dropFirst(3)
            } else {
                bytes.append(contentsOf: character.utf8)
                rest = rest.dropFirst()
            }
        }
        return String(validating: bytes, as: UTF8.self)
    }
}
