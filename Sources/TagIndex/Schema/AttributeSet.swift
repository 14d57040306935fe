import DICOM
import JSON

/// Attributes as the index and the ledger keep them: by keyword, as text.
///
/// In the set of an instance, an attribute may also be recorded as absent, if the first image of
/// its series has it.
public struct AttributeSet: AttributeValues, Equatable, Sendable {
    /// In the order of ``Attribute``. A list is faster than a dictionary here: most sets are small,
    /// and are iterated more often than searched.
    private var list: [Entry] = []

    private struct Entry: Equatable, Sendable {
        var attribute: Attribute
        /// `nil` for an attribute recorded as absent.
        var value: String?
    }

    /// An empty set.
    public init() {}

    /// The attributes that a header or another source has.
    public init(_ source: some AttributeValues) {
        list.reserveCapacity(Attribute.allCases.count)
        for attribute in Attribute.allCases {
            if let value = source[attribute] {
                list.append(Entry(attribute: attribute, value: value))
            }
        }
    }

    /// The value of an attribute; `nil` when it is absent, or recorded as absent.
    public subscript(_ attribute: Attribute) -> String? {
        get {
            for entry in list where entry.attribute == attribute { return entry.value }
            return nil
        }
        set {
            let place =
                list.firstIndex { $0.attribute.rawValue >= attribute.rawValue } ?? list.endIndex
            if place < list.endIndex, list[place].attribute == attribute {
                list[place].value = newValue
            } else {
                list.insert(Entry(attribute: attribute, value: newValue), at: place)
            }
        }
    }

    /// The attributes that are present, in the order of ``Attribute``.
    public var present: [(Attribute, String)] {
        list.compactMap { entry in entry.value.map { (entry.attribute, $0) } }
    }

    /// Every entry, also those recorded as absent, in the order of ``Attribute``.
    public var entries: [(attribute: Attribute, value: String?)] {
        list.map { ($0.attribute, $0.value) }
    }

    /// Whether there is no entry.
    public var isEmpty: Bool { list.isEmpty }

    /// The entries to apply to `base` to get this set: the values that differ, and, as absent, the
    /// attributes that only `base` has.
    public func difference(from base: AttributeSet) -> AttributeSet {
        var result = AttributeSet()
        for attribute in Attribute.allCases {
            let value = self[attribute]
            if value != base[attribute] {
                result.list.append(Entry(attribute: attribute, value: value))
            }
        }
        return result
    }

    /// This set without an entry.
    func without(_ attribute: Attribute) -> AttributeSet {
        var result = self
        result.list.removeAll { $0.attribute == attribute }
        return result
    }

    /// This set with the entries of `difference` applied to it.
    public func applying(_ difference: AttributeSet) -> AttributeSet {
        var result = self
        for entry in difference.list {
            if let value = entry.value {
                result[entry.attribute] = value
            } else {
                result = result.without(entry.attribute)
            }
        }
        return result
    }
}

extension AttributeSet {
    /// The attributes that group images into a series: those of the patient, study and series
    /// modules that a view may show. Attributes that real devices vary within a series (body part,
    /// laterality, dates of the image) are not among them.
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
    /// The value of each keyword; `null` for an attribute that is recorded as absent.
    public var object: JSONObject {
        JSONObject(
            list.map { .init($0.attribute.keyword, $0.value.map(JSONValue.string) ?? .null) })
    }

    /// Takes the value of each keyword. Keywords that this program does not know are left out.
    public init(_ object: JSONObject) {
        for member in object.members {
            if let attribute = Attribute(keyword: member.key) {
                self[attribute] = member.value.string
            }
        }
    }

    /// ``object`` as text, which the index keeps.
    public var json: String { JSONWriter.text(of: .object(object)) }

    /// Reads ``json``.
    ///
    /// - Throws: ``IndexError`` with code `corrupt` when the text is not an object.
    public init(json: String) throws {
        guard let object = try? JSONParser.value(of: Array(json.utf8)).object else {
            throw IndexError.corrupt("The attributes are not a JSON object: \(json.prefix(80))")
        }
        self.init(object)
    }
}
