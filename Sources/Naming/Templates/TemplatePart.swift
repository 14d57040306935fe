import DICOM

/// A part of a level of a template.
indirect enum TemplatePart: Sendable, Equatable {
    /// Letters and digits, and brackets without a partner.
    case text(String)
    /// Spaces and punctuation, which vanish when a neighbour is empty.
    case separator(String)
    case field(Field)
    /// Brackets and the parts between them. The group vanishes when all its fields are empty.
    case group(open: Character, [TemplatePart], close: Character)

    /// The text of a sequence, or `nil` when it has fields and all of them are empty.
    static func text(of parts: [TemplatePart], for values: some AttributeValues) -> String? {
        var text = ""
        var hasField = false
        var hasValue = false
        /// The separators between the text so far and the next text.
        var separator = ""
        /// Whether something vanished since the last text.
        var vanished = false

        for part in parts {
            let shown: String?
            switch part {
            case .separator(let literal):
                // Of the separators around a vanished part, the last one stays.
                separator = vanished ? literal : separator + literal
                continue
            case .text(let literal):
                shown = literal
            case .field(let field):
                hasField = true
                shown = field.text(for: values)
                hasValue = hasValue || shown != nil
            case .group(let open, let inner, let close):
                let isFixed = fields(in: inner).isEmpty
                let content = TemplatePart.text(of: inner, for: values)
                hasField = hasField || !isFixed
                hasValue = hasValue || (!isFixed && content != nil)
                shown = content.map { "\(open)\($0)\(close)" }
            }
            if let shown {
                if !(text.isEmpty && vanished) { text += separator }
                text += shown
                separator = ""
                vanished = false
            } else {
                vanished = true
            }
        }
        if hasField, !hasValue { return nil }
        return vanished ? text : text + separator
    }

    static func fields(in parts: [TemplatePart]) -> [Field] {
        parts.flatMap { part -> [Field] in
            switch part {
            case .field(let field): [field]
            case .group(_, let inner, _): fields(in: inner)
            case .text, .separator: []
            }
        }
    }
}
