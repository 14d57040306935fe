/// A value representation: two letters that say how a value is encoded (PS3.5 section 6.2).
public struct VR: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    /// The two letters, the first one in the lower byte, as they lie in a file.
    public let rawValue: UInt16

    /// Makes a value representation from its two bytes, the first in the lower one.
    public init(rawValue: UInt16) { self.rawValue = rawValue }

    /// The two letters, such as `PN`; bytes that are not printable are shown as `?`.
    public var description: String {
        let letters = [
            UInt8(truncatingIfNeeded: rawValue), UInt8(truncatingIfNeeded: rawValue >> 8),
        ]
        return String(
            decoding: letters.map { (0x20...0x7E).contains($0) ? $0 : 0x3F }, as: UTF8.self)
    }

    init(_ first: Unicode.Scalar, _ second: Unicode.Scalar) {
        rawValue = UInt16(truncatingIfNeeded: second.value << 8 | first.value)
    }

    /// The value representation with both letters in upper case: some writers store `ui`.
    var capitalized: VR {
        func capital(_ byte: UInt16) -> UInt16 { (0x61...0x7A).contains(byte) ? byte - 0x20 : byte }
        return VR(rawValue: capital(rawValue >> 8) << 8 | capital(rawValue & 0xFF))
    }

    /// Whether Specific Character Set (0008,0005) governs the text (PS3.5 section 6.1.2.3).
    public var usesCharacterSet: Bool {
        switch self {
        case .LO, .PN, .SH, .ST, .LT, .UC, .UT: true
        default: false
        }
    }

    /// Whether the text has only one value, so that `\` in it is an ordinary character.
    var isSingleValued: Bool { self == .ST || self == .LT || self == .UT }

    /// The layout of the head of an element.
    enum Layout: UInt8 {
        case unknown
        /// A length of sixteen bits right after the letters.
        case short
        /// Two reserved bytes and a length of thirty-two bits (PS3.5 table 7.1-1).
        case long
    }

    /// Every value representation with a length of sixteen bits.
    static let shortForms: [VR] = [
        .AE, .AS, .AT, .CS, .DA, .DS, .DT, .FD, .FL, .IS, .LO, .LT, .PN, .SH, .SL, .SS, .ST, .TM,
        .UI, .UL, .US,
    ]

    /// Every value representation with a length of thirty-two bits.
    static let longForms: [VR] = [
        .OB, .OD, .OF, .OL, .OV, .OW, .SQ, .SV, .UC, .UN, .UR, .UT, .UV,
    ]
}

// The names are those of the standard.
// swift-format-ignore: AlwaysUseLowerCamelCase
extension VR {
    public static let AE = VR("A", "E"), AS = VR("A", "S"), AT = VR("A", "T"), CS = VR("C", "S")
    public static let DA = VR("D", "A"), DS = VR("D", "S"), DT = VR("D", "T"), FD = VR("F", "D")
    public static let FL = VR("F", "L"), IS = VR("I", "S"), LO = VR("L", "O"), LT = VR("L", "T")
    public static let OB = VR("O", "B"), OD = VR("O", "D"), OF = VR("O", "F"), OL = VR("O", "L")
    public static let OV = VR("O", "V"), OW = VR("O", "W"), PN = VR("P", "N"), SH = VR("S", "H")
    public static let SL = VR("S", "L"), SQ = VR("S", "Q"), SS = VR("S", "S"), ST = VR("S", "T")
    public static let SV = VR("S", "V"), TM = VR("T", "M"), UC = VR("U", "C"), UI = VR("U", "I")
    public static let UL = VR("U", "L"), UN = VR("U", "N"), UR = VR("U", "R"), US = VR("U", "S")
    public static let UT = VR("U", "T"), UV = VR("U", "V")
    /// In an implicit encoding, which names no value representation.
    static let none = VR(rawValue: 0)
}

/// The layout of every value representation, found with one load: the letters lie
/// between 0x40 and 0x5F, so five bits of each make the index.
struct VRLayouts: ~Copyable {
    private let table: UnsafeMutablePointer<VR.Layout>

    init() {
        table = .allocate(capacity: 1024)
        table.initialize(repeating: .unknown, count: 1024)
        for vr in VR.shortForms { table[Self.index(vr.rawValue)] = .short }
        for vr in VR.longForms { table[Self.index(vr.rawValue)] = .long }
    }

    deinit { table.deallocate() }

    @inline(__always)
    subscript(_ raw: UInt16) -> VR.Layout {
        raw & 0xE0E0 == 0x4040 ? table[Self.index(raw)] : .unknown
    }

    @inline(__always)
    private static func index(_ raw: UInt16) -> Int {
        Int((raw & 0x1F) << 5 | (raw >> 8) & 0x1F)
    }
}
