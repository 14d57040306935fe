/// How the elements of a data set are encoded (PS3.5 section 7.1 and annex A).
struct DataEncoding: Hashable {
    var isExplicit: Bool
    var isBigEndian: Bool

    static let explicitLittleEndian = DataEncoding(isExplicit: true, isBigEndian: false)
    static let explicitBigEndian = DataEncoding(isExplicit: true, isBigEndian: true)
    static let implicitLittleEndian = DataEncoding(isExplicit: false, isBigEndian: false)
    static let implicitBigEndian = DataEncoding(isExplicit: false, isBigEndian: true)

    /// The unsigned number in two bytes.
    @inline(__always)
    func number16(at bytes: UnsafeRawPointer) -> UInt16 {
        let number = bytes.loadUnaligned(as: UInt16.self)
        return isBigEndian ? number.byteSwapped : number
    }

    /// The unsigned number in four bytes.
    @inline(__always)
    func number32(at bytes: UnsafeRawPointer) -> UInt32 {
        let number = bytes.loadUnaligned(as: UInt32.self)
        return isBigEndian ? number.byteSwapped : number
    }

    /// The tag in four bytes: group, then element number, each in this byte order.
    @inline(__always)
    func tag(at bytes: UnsafeRawPointer) -> Tag {
        let word = bytes.loadUnaligned(as: UInt32.self)
        return Tag(rawValue: isBigEndian ? word.byteSwapped : word << 16 | word >> 16)
    }
}

/// The promise of a Transfer Syntax UID (0002,0010) about the data set.
enum TransferSyntax: Hashable {
    /// A standard transfer syntax with this encoding of elements.
    case known(DataEncoding)
    /// Deflated Explicit VR Little Endian: the data set is a raw deflate stream (PS3.5 A.5).
    case deflated
    /// Missing or private: the bytes decide.
    case unknown

    init(uid: UnsafeRawBufferPointer) {
        if Self.equal(uid, "1.2.840.10008.1.2.1") {
            self = .known(.explicitLittleEndian)
        } else if Self.equal(uid, "1.2.840.10008.1.2") {
            self = .known(.implicitLittleEndian)
        } else if Self.equal(uid, "1.2.840.10008.1.2.2") {
            self = .known(.explicitBigEndian)
        } else if Self.equal(uid, "1.2.840.10008.1.2.1.99")
            || Self.equal(uid, "1.2.840.10008.1.2.4.95")  // JPIP Referenced Deflate
            || Self.equal(uid, "1.2.840.10008.1.2.4.205")  // JPIP HTJ2K Referenced Deflate
        {
            self = .deflated
        } else if uid.count > 18,
            Self.equal(UnsafeRawBufferPointer(rebasing: uid[..<18]), "1.2.840.10008.1.2.")
        {
            self = .known(.explicitLittleEndian)  // all others (PS3.5 A.4)
        } else {
            self = .unknown
        }
    }

    private static func equal(_ bytes: UnsafeRawBufferPointer, _ text: StaticString) -> Bool {
        bytes.count == text.utf8CodeUnitCount
            && bytes.elementsEqual(
                UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }
}
