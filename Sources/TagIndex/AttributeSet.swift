import DICOM
import Foundation

/// Attributes as they are kept in the index and the ledger: by keyword, as text.
///
/// In the set of an instance a value may also be recorded as absent, where the first image
/// of its series had one.
public struct AttributeSet: AttributeValues, Equatable, Sendable {
    private var values: [Attribute: String?] = [:]

    public init() {}

    public init(_ source: some AttributeValues) {
        values.reserveCapacity(Attribute.allCases.count)
        for attribute in Attribute.allCases {
            if let value = source[attribute] { values[attribute] = .some(value) }
        }
    }

    public subscript(_ attribute: Attribute) -> String? {
        get { values[attribute] ?? nil }
        set { values[attribute] = .some(newValue) }
    }

    /// The attributes that are present, in the order of ``Attribute``.
    public var present: [(Attribute, String)] {
        Attribute.allCases.compactMap { attribute in
            self[attribute].map { (attribute, $0) }
        }
    }

    /// Every entry, also those recorded as absent, in the order of ``Attribute``.
    public var entries: [(attribute: Attribute, value: String?)] {
        Attribute.allCases.compactMap { attribute in
            values[attribute].map { (attribute, $0) }
        }
    }

    public var isEmpty: Bool { values.isEmpty }

    /// What must be added to `base` to get this set: the values that differ, and as absent
    /// those that only `base` has.
    public func difference(from base: AttributeSet) -> AttributeSet {
        var result = AttributeSet()
        for attribute in Attribute.allCases where self[attribute] != base[attribute] {
            result.values[attribute] = .some(self[attribute])
        }
        return result
    }

    /// This set without an entry.
    func without(_ attribute: Attribute) -> AttributeSet {
        var result = self
        result.values[attribute] = nil
        return result
    }

    /// This set with the entries of `difference` laid over it.
    public func applying(_ difference: AttributeSet) -> AttributeSet {
        var result = self
        for (attribute, value) in difference.values {
            if let value { result.values[attribute] = .some(value) } else { result.values[attribute] = nil }
        }
        return result
    }
}

extension AttributeSet {
    /// The attributes by which images are put together into a series. They are those of the
    /// patient, study and series modules that a view may show; what real devices vary within
    /// a series (body part, laterality, dates of the image) is not among them.
    static let grouping: [Attribute] = [
        .patientID, .issuerOfPatientID, .patientName, .responsiblePerson,
        .studyInstanceUID, .seriesInstanceUID, .studyDate, .studyDescription,
        .accessionNumber, .modality, .seriesNumber, .seriesDescription,
    ]

    private func key(_ attributes: [Attribute]) -> String {
        attributes.map { self[$0] ?? "" }.joined(separator: "\u{1F}")
    }

    var groupingKey: String { key(Self.grouping) }
    var patientKey: String { key([.patientID, .issuerOfPatientID, .patientName]) }
    var studyKey: String {
        self[.studyInstanceUID].map { $0.isEmpty ? nil : $0 }
            .flatMap { $0 } ?? key([.studyDate, .studyDescription, .accessionNumber])
    }
}

extension AttributeSet {
    /// One JSON object by keyword; `null` for what is recorded as absent.
    public var json: String {
        var text = "{"
        for (attribute, value) in entries {
            if text.utf8.count > 1 { text += "," }
            text += "\"\(attribute.keyword)\":"
            if let value { JSONText.append(value, to: &text) } else { text += "null" }
        }
        return text + "}"
    }

    /// - throws: ``IndexError`` when `json` is no such object. Keywords that this program
    ///   does not know are left out.
    public init(json: String) throws {
        guard let object = try? JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any]
        else { throw IndexError(code: .corrupt, message: "The attributes «\(json.prefix(80))» are no JSON object.") }
        for (keyword, value) in object {
            if let attribute = Attribute(keyword: keyword) {
                values[attribute] = .some(value as? String)
            }
        }
    }
}

/// Text as a JSON string (RFC 8259, section 7).
public enum JSONText {
    public static func append(_ value: String, to text: inout String) {
        text += "\""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\"": text += "\\\""
            case "\\": text += "\\\\"
            case "\n": text += "\\n"
            case "\r": text += "\\r"
            case "\t": text += "\\t"
            // U+FEFF as it is would be taken for a byte order mark, and go, when it is read.
            case "\u{0}"..<"\u{20}", "\u{7F}", "\u{FEFF}":
                let hex = String(scalar.value, radix: 16)
                text += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
            default: text.unicodeScalars.append(scalar)
            }
        }
        text += "\""
    }
}
