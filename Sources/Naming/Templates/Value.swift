/// The text of values as names show it.
enum Value {
    /// The text of all values of an attribute, or `nil` when they are empty.
    static func text(_ values: String, of kind: ValueKind) -> String? {
        switch kind {
        case .text: joined(values) { $0 }
        case .personName: joined(values) { PersonName($0).text }
        case .number: first(values) { number($0, width: 1) }
        case .date: first(values, CalendarDate.init).map(DateFormat.standard.text)
        }
    }

    /// Several values with commas between them: `A\B` must stay different from `A` and from `B`,
    /// and a backslash is not allowed in names.
    static func joined(_ values: String, _ transform: (String) -> String?) -> String? {
        let parts = each(values).compactMap(transform)
        return parts.isEmpty ? nil : parts.joined(separator: ", ")
    }

    /// The first of several values that can be transformed.
    static func first<Result>(_ values: String, _ transform: (String) -> Result?) -> Result? {
        for value in each(values) {
            if let result = transform(value) { return result }
        }
        return nil
    }

    /// A whole number with at least `width` digits: `+7` is `007`, `-7` is `-007`. Text that is not
    /// a number (IS, PS3.5 6.2) stays as it is.
    static func number(_ text: String, width: Int) -> String {
        var digits = Substring(text)
        let isNegative = digits.first == "-"
        if isNegative || digits.first == "+" { digits.removeFirst() }
        guard !digits.isEmpty, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
            return text
        }
        digits = digits.drop { $0 == "0" }
        let magnitude = digits.isEmpty ? "0" : String(digits)
        let padding = String(repeating: "0", count: max(0, width - magnitude.utf8.count))
        return (isNegative && magnitude != "0" ? "-" : "") + padding + magnitude
    }

    /// The values that are not empty, without padding.
    private static func each(_ values: String) -> [String] {
        if !values.utf8.contains(UInt8(ascii: "\\")) {
            let text = tidied(values)
            return text.isEmpty ? [] : [text]
        }
        return values.unicodeScalars.split(separator: "\\").map { tidied(String($0)) }
            .filter { !$0.isEmpty }
    }

    /// One space for each run of white space, and no padding (a space, or a NUL after UIDs).
    static func tidied(_ text: String) -> String {
        if isTidy(text) { return text }
        var result = String.UnicodeScalarView()
        var isSpacePending = false
        for scalar in text.unicodeScalars {
            if scalar == "\0" || scalar == " " || scalar.properties.isWhitespace {
                isSpacePending = true
            } else {
                if isSpacePending, !result.isEmpty { result.append(" ") }
                isSpacePending = false
                result.append(scalar)
            }
        }
        return String(result)
    }

    /// Whether a text is printable ASCII with single spaces between words, as most values are.
    private static func isTidy(_ text: String) -> Bool {
        var isAfterSpace = true
        for byte in text.utf8 {
            guard byte >= 0x20, byte < 0x7F, byte != 0x20 || !isAfterSpace else { return false }
            isAfterSpace = byte == 0x20
        }
        return !isAfterSpace
    }
}
