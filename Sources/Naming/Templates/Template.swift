import DICOM

/// The pattern of a path: levels between slashes, each made of text and attributes.
///
/// ```swift
/// let template = try Template("{PatientName} ({PatientID})/{StudyDate}/{Series}")
/// template.components(for: header)  // ["Smith^Rex (1234)", "2024-03-05", "001 DX Hip"]
/// ```
///
/// | field | shows |
/// |---|---|
/// | `{PatientID}` | an attribute by its DICOM keyword (PS3.6), in any case |
/// | `{ResponsiblePerson\|PatientName.family}` | the first of several that has a value |
/// | `{PatientName.family}` | a component of a person name: `family`, `given`, `middle`, `prefix`, `suffix`, or its group `ideographic` or `phonetic` |
/// | `{StudyDate:yyyy-MM}` | a date made of `yyyy`, `MM`, `dd` and `-`, `_`, `.`, `,` or space; without a format, `yyyy-MM-dd` |
/// | `{SeriesNumber:3}` | a whole number with at least so many digits |
/// | `{OtherPatientIDs.microchip}` | the number of the animal's chip: identifiers of the type RFID (PS3.3 C.7.1.1, Type of Patient ID), and others of 15 digits, as ISO 11784 has them |
/// | `{AccessionNumber!}` | with `!` at the end of any field: images without a value are left out of this view, instead of being shown as `unknown` |
/// | `{Series}` | short for `{SeriesNumber:3} {Modality} {SeriesDescription}` |
/// | `{{` and `}}` | a brace |
///
/// A field without a value vanishes with the brackets and the punctuation around it. A level in
/// which every field is empty is `unknown`, or `undated` when all of them are dates. A study date
/// that is missing or invalid is replaced by the date of the series, the acquisition or the
/// content, in this order, and never by the day on which a file was received.
public struct Template: Sendable, Equatable, CustomStringConvertible {
    /// The most levels a template may have.
    public static let maximumDepth = 10
    /// The most characters its text may have.
    public static let maximumLength = 1_000

    let levels: [Level]
    /// The text from which the template was made.
    public let description: String

    /// Parses the text of a template.
    ///
    /// - Throws: ``TemplateError`` with the column, for an unknown keyword, an unclosed brace, a
    ///   level without text, a format that does not fit, more than ``maximumDepth`` levels or more
    ///   than ``maximumLength`` characters.
    public init(_ text: String) throws(TemplateError) {
        var parser = TemplateParser(text)
        levels = try parser.parse()
        description = text
    }

    /// The number of levels.
    public var depth: Int { levels.count }

    /// The names from the top down, one for each level, all of them portable
    /// (``PortableName``). Never fails; no name is empty.
    public func components(for values: some AttributeValues) -> [String] {
        levels.map { PortableName.component($0.text(for: values)) }
    }

    /// Whether there are images that the view does not show: a field is marked with `!`.
    public var isSelective: Bool {
        levels.contains { Piece.fields(in: $0.pieces).contains(where: \.isRequired) }
    }

    /// Whether an image is left out of the view, because a field marked with `!` has no value.
    public func leavesOut(_ values: some AttributeValues) -> Bool {
        levels.contains { level in
            Piece.fields(in: level.pieces).contains { $0.isRequired && $0.text(for: values) == nil }
        }
    }

    /// The attribute that the last level consists of, if it is one and nothing else.
    var lastAttribute: Attribute? {
        guard let pieces = levels.last?.pieces, pieces.count == 1,
            case .field(let field) = pieces[0], field.sources.count == 1
        else { return nil }
        return field.sources[0].attribute
    }
}

/// One level of a path.
struct Level: Sendable, Equatable {
    let pieces: [Piece]

    func text(for values: some AttributeValues) -> String {
        Piece.text(of: pieces, for: values) ?? (isDate ? "undated" : "unknown")
    }

    private var isDate: Bool {
        let fields = Piece.fields(in: pieces)
        return !fields.isEmpty && fields.allSatisfy(\.isDate)
    }
}
