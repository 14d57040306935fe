import DICOM

/// The names of image files. They are plain ASCII, so that the simple case folding of a database is
/// enough to find a file in any case.
public enum FileName {
    /// The longest name in bytes, without the extension.
    private static let maximumStem = 100

    /// The name by instance number, `00001.dcm`; `unknown.dcm` without one.
    public static func instance(_ values: some AttributeValues) -> String {
        name(values[.instanceNumber].flatMap { Value.first($0) { Value.number($0, width: 5) } })
    }

    /// The name by UID, `<SOPInstanceUID>.dcm`; `unknown.dcm` without one.
    public static func sopInstance(_ values: some AttributeValues) -> String {
        let uid = values[.sopInstanceUID]
        if let uid, isPlainUID(uid) { return uid + ".dcm" }
        return name(uid.flatMap { Value.first($0) { $0 } })
    }

    /// Whether a text is a correct UID (PS3.5, 9.1), which needs no change to be a name.
    private static func isPlainUID(_ text: String) -> Bool {
        let bytes = text.utf8
        guard let first = bytes.first, bytes.count <= 64, first != UInt8(ascii: "."),
            bytes.last != UInt8(ascii: ".")
        else { return false }
        return bytes.allSatisfy {
            $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") || $0 == UInt8(ascii: ".")
        }
    }

    /// The name of the file in a view that names its files in a given way.
    public static func name(_ naming: FileNaming, _ values: some AttributeValues) -> String {
        switch naming {
        case .instanceNumber: instance(values)
        case .sopInstanceUID: sopInstance(values)
        }
    }

    private static func name(_ text: String?) -> String {
        guard let text else { return "unknown.dcm" }
        let ascii = String(
            String.UnicodeScalarView(text.unicodeScalars.map { $0.isASCII ? $0 : "_" }))
        return PortableName.component(ascii, maximumLength: maximumStem) + ".dcm"
    }
}
