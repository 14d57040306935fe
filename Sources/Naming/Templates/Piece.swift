import DICOM

/// A part of a level.
indirect enum Piece: Sendable, Equatable {
    /// Letters and digits, and brackets without a partner.
    case text(String)
    /// Spaces and punctuation, which go when a neighbour is empty.
    case separator(String)
    case field(Field)
    /// Brackets and what is between them; they go when every field in them is empty.
    case group(open: Character, [Piece], close: Character)

    /// The text of a sequence, or `nil` when it has fields and all of them are empty.
    static func text(of pieces: [Piece], for values: some AttributeValues) -> String? {
        var text = ""
        var hasField = false
        var hasValue = false
        /// What stands between the text so far and whatever follows.
        var separator = ""
        /// Whether something vanished since the last text.
        var vanished = false

        for piece in pieces {
            let part: String?
            switch piece {
            case .separator(let literal):
                // Of the separators around what vanished, the one before the next text stays.
                separator = vanished ? literal : separator + literal
                continue
            case .text(let literal):
                part = literal
            case .field(let field):
                hasField = true
                part = field.text(for: values)
                hasValue = hasValue || part != nil
            case .group(let open, let inner, let close):
                let isFixed = fields(in: inner).isEmpty
                let content = Piece.text(of: inner, for: values)
                hasField = hasField || !isFixed
                hasValue = hasValue || (!isFixed && content != nil)
                part = content.map { "\(open)\($0)\(close)" }
            }
            if let part {
                if !(text.isEmpty && vanished) { text += separator }
                text += part
                separator = ""
                vanished = false
            } else {
                vanished = true
            }
        }
        if hasField, !hasValue { return nil }
        return vanished ? text : text + separator
    }

    static func fields(in pieces: [Piece]) -> [Field] {
        pieces.flatMap { piece -> [Field] in
            switch piece {
            case .field(let field): [field]
            case .group(_, let inner, _): fields(in: inner)
            case .text, .separator: []
            }
        }
    }
}
