/// The elements whose values the reader wants, in the order of a data set.
struct WantedElements: ~Copyable {
    /// How the value of an element becomes text.
    enum Form: UInt8 {
        /// Codes, dates, numbers as text, UIDs: ASCII.
        case code
        /// Text in the specific character set.
        case text
        /// Binary numbers.
        case number
        /// (0008,0005) itself.
        case characterSet
        /// (0010,1002).
        case otherPatientIDs
        /// (0004,1220): the file is a DICOMDIR.
        case directory
    }

    struct Entry {
        var tag: UInt32
        var attribute: Attribute
        var form: Form
    }

    /// The last wanted element.
    static let last = Attribute.columns.tag.rawValue

    /// Ascending by tag; the last entry has a tag above all others, so that searches end.
    let entries: UnsafeMutablePointer<Entry>
    private let count: Int

    init() {
        var list = Attribute.allCases.filter { $0 != .transferSyntaxUID }.map { attribute in
            Entry(tag: attribute.tag.rawValue, attribute: attribute, form: Self.form(attribute))
        }
        list.append(
            Entry(
                tag: Tag.otherPatientIDsSequence.rawValue, attribute: .otherPatientIDs,
                form: .otherPatientIDs))
        list.append(
            Entry(
                tag: Tag.directoryRecordSequence.rawValue, attribute: .sopClassUID, form: .directory
            ))
        list.sort { $0.tag < $1.tag }
        list.append(Entry(tag: .max, attribute: .columns, form: .code))
        entries = .allocate(capacity: list.count)
        entries.initialize(from: list, count: list.count)
        count = list.count
    }

    deinit {
        entries.deinitialize(count: count)
        entries.deallocate()
    }

    private static func form(_ attribute: Attribute) -> Form {
        switch attribute {
        case .specificCharacterSet: .characterSet
        case .rows, .columns: .number
        default: attribute.vr.usesCharacterSet ? .text : .code
        }
    }
}
