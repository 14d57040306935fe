import DICOM

/// The content of braces: attributes, of which the first that has a value is shown.
struct Field: Sendable, Equatable {
    let sources: [Source]
    /// Whether it is marked with `!`: images without a value are not in the view.
    var isRequired = false

    var isDate: Bool { sources.allSatisfy { $0.attribute.kind == .date } }

    /// The text, or `nil` when no attribute has a value.
    func text(for values: some AttributeValues) -> String? {
        for source in sources {
            if let text = source.text(for: values) { return text }
        }
        return nil
    }
}

/// An attribute and the form in which it is shown.
struct Source: Sendable, Equatable {
    enum Form: Sendable, Equatable {
        case plain
        case namePart(PersonName.Part)
        /// Of several identifiers, only the numbers of chips.
        case microchip
        case date(DateFormat)
        /// A whole number with at least `width` digits.
        case number(width: Int)
    }

    let attribute: Attribute
    let form: Form

    /// The text; `nil` when the attribute is absent, empty, or not a valid date.
    func text(for values: some AttributeValues) -> String? {
        switch form {
        case .plain:
            values[attribute].flatMap { Value.text($0, of: attribute.kind) }
        case .namePart(let part):
            values[attribute].flatMap { Value.joined($0) { PersonName($0).text(of: part) } }
        case .microchip:
            values[attribute].flatMap { Value.joined($0, Self.microchip) }
        case .number(let width):
            values[attribute].flatMap { Value.first($0) { Value.number($0, width: width) } }
        case .date(let format):
            date(for: values).map(format.text)
        }
    }

    /// The number of a chip in an identifier; `nil` when it is another identifier. The header
    /// reader marks chips, `RFID:985…`. Devices that know only the retired Other Patient IDs write
    /// the number alone: 15 digits (ISO 11784).
    private static func microchip(_ identifier: String) -> String? {
        if identifier.hasPrefix("RFID:") {
            let number = Value.tidied(String(identifier.dropFirst(5)))
            return number.isEmpty ? nil : number
        }
        let isNumber =
            identifier.utf8.count == 15 && identifier.utf8.allSatisfy { (0x30...0x39).contains($0) }
        return isNumber ? identifier : nil
    }

    private func date(for values: some AttributeValues) -> CalendarDate? {
        for candidate in attribute.datesInOrder {
            if let date = values[candidate].flatMap({ Value.first($0, CalendarDate.init) }) {
                return date
            }
        }
        return nil
    }
}

/// Kinds of values that are shown in different ways.
enum ValueKind: Sendable, Equatable {
    case text, personName, date, number
}

extension Attribute {
    /// How values of its representation are shown.
    var kind: ValueKind {
        switch vr {
        case .PN: .personName
        case .DA: .date
        case .IS, .US: .number
        default: .text
        }
    }

    /// The attribute, and those that replace it when it has no valid date.
    fileprivate var datesInOrder: [Attribute] {
        self == .studyDate ? [.studyDate, .seriesDate, .acquisitionDate, .contentDate] : [self]
    }
}
