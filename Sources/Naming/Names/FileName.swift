import DICOM

/// The names of files. They are plain ASCII, so that a case-insensitive look-up of a file needs
/// no more than the folding that every database has.
public enum FileName {
    /// The longest name, in bytes, without the extension.
    private static let maximumStem = 100

    /// `00001.dcm`, after the instance number; `unknown.dcm` without one.
    public static func instance(_ values: some AttributeValues) -> String {
        name(values[.instanceNumber].flatMap { Value.first($0) { Value.number($0, width: 5) } })
    }

    /// `<SOPInstanceUID>.dcm`; `unknown.dcm` without one.
    public static func sopInstance(_ values: some AttributeValues) -> String {
        let uid = values[.sopInstanceUID]
        if let uid, isPlainUID(uid) { return uid + ".dcm" }
        return name(uid.flatMap { Value.first($0) { $0 } })
    }

    /// Whether a text is a UID as it should be, which is a good name as it is (PS3.5, 9.1).
    private static func isPlainUID(_ text: String) -> Bool {
        let bytes = text.utf8
        guard let first = bytes.first, bytes.count <= 64, first != UInt8(ascii: "."),
            bytes.last != UInt8(ascii: ".")
        else { return false }
        return bytes.allSatisfy {
            $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") || $0 == UInt8(ascii: ".")
        }
    }

    /// The name of the file in a view whose files are named like this.
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
