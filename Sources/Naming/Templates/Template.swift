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
/// | `{PatientName.family}` | a part of a person name (1) |
/// | `{StudyDate:yyyy-MM}` | a date (2); without a format, `yyyy-MM-dd` |
/// | `{SeriesNumber:3}` | a whole number with at least three digits |
/// | `{OtherPatientIDs.microchip}` | the number of the animal's chip (3) |
/// | `{AccessionNumber!}` | images without a value are left out of this view (4) |
/// | `{Series}` | short for `{SeriesNumber:3} {Modality} {SeriesDescription}` |
/// | `{{` and `}}` | a brace |
///
/// 1. The components `family`, `given`, `middle`, `prefix` and `suffix`, or the groups
///    `ideographic` and `phonetic`.
/// 2. Made of `yyyy`, `MM`, `dd`, and `-`, `_`, `.`, `,` or space.
/// 3. Identifiers of the type RFID (PS3.3 C.7.1.1, Type of Patient ID), and others of 15 digits, as
///    in ISO 11784.
/// 4. `!` can end any field. Without it, images without a value are shown as `unknown`.
///
/// A field without a value vanishes, with the brackets and the punctuation around it. A level in
/// which every field is empty is `unknown`, or `undated` when all of them are dates. A study date
/// that is missing or invalid is replaced by the date of the series, the acquisition or the
/// content, in this order; never by the day on which a file was received.
public struct Template: Sendable, Equatable, CustomStringConvertible {
    /// The most levels a template may have.
    public static let maximumDepth = 10
    /// The most characters its text may have.
    public static let maximumLength = 1_000

    let levels: [Level]
    /// The text of the template.
    public let description: String

    /// Parses the text of a template.
    ///
    /// - Parameter text: As described for this type.
    /// - Throws: ``TemplateError`` with the column of an unknown keyword, an unclosed brace, a
    ///   level without text, a wrong format, more than ``maximumDepth`` levels or more than
    ///   ``maximumLength`` characters.
    public init(_ text: String) throws(TemplateError) {
        var parser = TemplateParser(text)
        levels = try parser.parse()
        description = text
    }

    /// The number of levels.
    public var depth: Int { levels.count }

    /// The names for an image from the top level down, all portable (``PortableName``) and not
    /// empty.
    public func components(for values: some AttributeValues) -> [String] {
        levels.map { PortableName.component($0.text(for: values)) }
    }

    /// Whether the view can leave images out, because a field is marked with `!`.
    public var isSelective: Bool {
        levels.contains { TemplatePart.fields(in: $0.parts).contains(where: \.isRequired) }
    }

    /// Whether the view leaves an image out, because a field marked with `!` has no value.
    public func leavesOut(_ values: some AttributeValues) -> Bool {
        levels.contains { level in
            TemplatePart.fields(in: level.parts).contains {
                $0.isRequired && $0.text(for: values) == nil
            }
        }
    }

    /// The attribute in the last level, if there is nothing else in it.
    var lastAttribute: Attribute? {
        guard let parts = levels.last?.parts, parts.count == 1,
            case .field(let field) = parts[0], field.sources.count == 1
        else { return nil }
        return field.sources[0].attribute
    }
}

/// One level of a path.
struct Level: Sendable, Equatable {
    let parts: [TemplatePart]

    func text(for values: some AttributeValues) -> String {
        TemplatePart.text(of: parts, for: values) ?? (isDate ? "undated" : "unknown")
    }

    private var isDate: Bool {
        let fields = TemplatePart.fields(in: parts)
        return !fields.isEmpty && fields.allSatisfy(\.isDate)
    }
}
