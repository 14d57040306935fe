/// Names that are legal on every file system to which a file may be copied: ext4, NTFS, exFAT, APFS
/// and SMB.
///
/// A portable name
/// - is not empty, is in Unicode normal form C and has at most 255 bytes of UTF-8 (and therefore
///   at most 255 UTF-16 units, the limit of NTFS and exFAT);
/// - holds none of `/ \ : * ? " < > |`, no control character, and nothing that hides or
///   reorders text (format characters, line separators, variation selectors, unassigned
///   scalars): each is shown as `_`. Spaces of every kind are the plain space;
/// - neither begins with a space nor ends with a space or a dot; a leading dot, which would hide
///   the file, is shown as `_`;
/// - is not a DOS device name, with or without an extension: `CON` becomes `CON_`, and `con.txt`
///   becomes `con_.txt`
///   ([Naming Files](https://learn.microsoft.com/windows/win32/fileio/naming-a-file));
/// - joins with a `/` on either side without forming one character with it.
public enum PortableName {
    /// The most bytes of UTF-8 a name may have: `NAME_MAX` of Linux, limits.h(0p).
    public static let maximumLength = 255

    /// The portable name for a text; never empty. A text that is portable already stays as it is,
    /// so applying this twice changes nothing.
    ///
    /// A name that is too long is cut between characters and ends in ` ~` and eight hexadecimal
    /// digits that depend on the whole text, so that two long names stay different. The extension
    /// is kept.
    public static func component(_ text: String) -> String {
        component(text, maximumLength: maximumLength)
    }

    /// A name with a tag that makes it different from another: `001 CT Thorax ~1f3a`,
    /// `00001 ~1f3a.dcm`.
    ///
    /// If the result would exceed ``maximumLength``, the stem is cut, not the tag. Only the first
    /// 64 bytes of a tag are used.
    public static func suffixed(_ name: String, with tag: String) -> String {
        let (stem, fileExtension) = split(component(name))
        let suffix = " ~" + prefix(of: component(tag), maximumLength: 64) + fileExtension
        // The sum is portable, except with odd tags, for example one that ends in a dot.
        return component(
            prefix(of: stem, maximumLength: maximumLength - suffix.utf8.count) + suffix)
    }

    static func component(_ text: String, maximumLength: Int) -> String {
        if isPlain(text, maximumLength: maximumLength) { return text }
        var name = String.UnicodeScalarView()
        for scalar in text.normalFormC.unicodeScalars {
            name.append(shown(scalar))
        }
        name.trimEnds()
        if name.isEmpty { return "_" }
        if name.first == "." {
            name.replaceSubrange(name.startIndex...name.startIndex, with: "_".unicodeScalars)
        }
        // Programs often split a path as a sequence of characters. There, a combining mark joins
        // the slash before it, and a prepended mark the slash after it (UAX #29, GB9 and GB9b).
        if let first = name.first, joins("/", first) { name.insert("_", at: name.startIndex) }
        if let last = name.last, joins(last, "/") { name.append("_") }
        return shortened(DeviceName.avoided(in: String(name)), maximumLength: maximumLength)
    }

    /// Whether a text is portable ASCII, as most names are.
    private static func isPlain(_ text: String, maximumLength: Int) -> Bool {
        let bytes = text.utf8
        guard let first = bytes.first, bytes.count <= maximumLength,
            first != UInt8(ascii: " "), first != UInt8(ascii: ".")
        else { return false }
        var last = first
        for byte in bytes {
            guard byte >= 0x20, byte < 0x7F, !isForbidden(byte) else { return false }
            last = byte
        }
        return last != UInt8(ascii: " ") && last != UInt8(ascii: ".") && !DeviceName.begins(text)
    }

    private static func isForbidden(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "/"), UInt8(ascii: "\\"), UInt8(ascii: ":"), UInt8(ascii: "*"),
            UInt8(ascii: "?"), UInt8(ascii: "\""), UInt8(ascii: "<"), UInt8(ascii: ">"),
            UInt8(ascii: "|"):
            true
        default: false
        }
    }

    private static func shown(_ scalar: Unicode.Scalar) -> Unicode.Scalar {
        if scalar.value >= 0x20, scalar.value < 0x7F {
            return isForbidden(UInt8(scalar.value)) ? "_" : scalar
        }
        switch scalar.properties.generalCategory {
        case .spaceSeparator: return " "
        case .control, .format, .surrogate, .unassigned, .lineSeparator, .paragraphSeparator:
            return "_"
        default:
            return scalar.properties.isDefaultIgnorableCodePoint ? "_" : scalar
        }
    }

    private static func joins(_ left: Unicode.Scalar, _ right: Unicode.Scalar) -> Bool {
        if left.isASCII, right.isASCII { return false }
        var pair = String.UnicodeScalarView()
        pair.append(left)
        pair.append(right)
        return String(pair).count == 1
    }

    private static func shortened(_ name: String, maximumLength: Int) -> String {
        guard name.utf8.count > maximumLength else { return name }
        let (stem, fileExtension) = split(name)
        let suffix = " ~" + FNV1a.digits(of: folded(name)) + fileExtension
        return prefix(of: stem, maximumLength: maximumLength - suffix.utf8.count) + suffix
    }

    /// The longest beginning of a name that fits: whole characters if possible, without spaces and
    /// dots at its end.
    private static func prefix(of name: String, maximumLength: Int) -> String {
        guard name.utf8.count > maximumLength else { return name }
        var kept = String.UnicodeScalarView()
        var length = 0
        for character in name {
            length += character.utf8.count
            if length > maximumLength { break }
            kept.append(contentsOf: character.unicodeScalars)
        }
        kept.trimEnds()
        if kept.isEmpty {
            // One character with hundreds of combining marks.
            length = 0
            for scalar in name.unicodeScalars {
                length += UTF8.width(scalar)
                if length > maximumLength { break }
                kept.append(scalar)
            }
        }
        return String(kept)
    }

    /// Splits off an extension: a dot and three or four letters or digits of one case, the first
    /// of them a letter. `Thorax 1.5mm` and `Dr.Who` have none.
    private static func split(_ name: String) -> (stem: String, fileExtension: String) {
        guard let dot = name.utf8.lastIndex(of: UInt8(ascii: ".")), dot > name.startIndex else {
            return (name, "")
        }
        let letters = name[name.utf8.index(after: dot)...]
        guard (3...4).contains(letters.utf8.count), letters.allSatisfy(\.isASCII),
            let first = letters.first, first.isLetter,
            letters.allSatisfy({ $0.isLowercase || $0.isNumber })
                || letters.allSatisfy({ $0.isUppercase || $0.isNumber })
        else { return (name, "") }
        return (String(name[..<dot]), String(name[dot...]))
    }
}

extension String.UnicodeScalarView {
    fileprivate mutating func trimEnds() {
        while let last, last == " " || last == "." { removeLast() }
        while first == " " { removeFirst() }
    }
}
