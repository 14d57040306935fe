/// The declaration in Specific Character Set (0008,0005) (PS3.3 section C.12.1.1.2).
struct CharacterSetDeclaration {
    /// The encoding of text as a whole.
    enum Form {
        /// G0 and G1, with ISO 2022 escape sequences where more than one term is declared.
        case codeExtensions
        case utf8
        case gb18030
        case gbk
    }

    var form = Form.codeExtensions
    /// The set in G0 at the start of every value and after every delimiter.
    var initialG0 = GraphicSet.ascii
    /// The set in G1 at the same places.
    var initialG1 = GraphicSet.none
    /// The sets that text may switch to, one bit for each.
    private var declared: UInt32 = 1 << GraphicSet.ascii.rawValue
    /// The first declared set that belongs in G1, for text that forgets to switch to it.
    private(set) var anyG1 = GraphicSet.none
    /// Whether the element is absent or empty.
    var isMissing = true
    /// Whether a term is unknown to the standard.
    private(set) var isIllegal = false

    /// ISO_IR 6, which applies where nothing is declared.
    static let none = CharacterSetDeclaration()

    func declares(_ set: GraphicSet) -> Bool { declared & 1 << set.rawValue != 0 }

    /// Reads the value of (0008,0005): terms separated by `\`. Spellings such as
    /// `ISO-IR 100` or `ISO_2022_IR_100` are accepted.
    init(_ value: UnsafeRawBufferPointer) {
        var position = 0
        var first = 0
        for (index, byte) in value.enumerated() where byte == 0x5C {
            add(UnsafeRawBufferPointer(rebasing: value[first..<index]), isFirst: position == 0)
            position += 1
            first = index + 1
        }
        add(UnsafeRawBufferPointer(rebasing: value[first...]), isFirst: position == 0)
    }

    private init() {}

    private mutating func add(_ term: UnsafeRawBufferPointer, isFirst: Bool) {
        guard term.contains(where: { $0 != 0x20 && $0 != 0 }) else { return }
        isMissing = false
        if !isFirst, form != .codeExtensions { return }  // these forbid extensions
        switch Self.registration(term) {
        case .number(let number): addRegistered(number, isFirst: isFirst)
        case .name(let name) where name == "GB18030": form = .gb18030
        case .name(let name) where name == "GBK" || name == "GB2312": form = .gbk
        case .name(let name) where name == "UTF8": form = .utf8
        case .name(let name) where name == "ASCII": break
        case .name: isIllegal = true
        }
    }

    private mutating func addRegistered(_ number: Int, isFirst: Bool) {
        switch number {
        case 6: break
        case 13: use(.romaji, .katakana, isFirst)
        case 14: use(.romaji, .none, isFirst)
        case 87, 42: use(.jisX0208, .none, false)
        case 159: use(.jisX0212, .none, false)
        case 100: use(.none, .latin1, isFirst)
        case 101: use(.none, .latin2, isFirst)
        case 109: use(.none, .latin3, isFirst)
        case 110: use(.none, .latin4, isFirst)
        case 144: use(.none, .cyrillic, isFirst)
        case 127: use(.none, .arabic, isFirst)
        case 126: use(.none, .greek, isFirst)
        case 138: use(.none, .hebrew, isFirst)
        case 148: use(.none, .latin5, isFirst)
        case 203: use(.none, .latin9, isFirst)
        case 166: use(.none, .thai, isFirst)
        case 149: use(.none, .ksX1001, isFirst)
        case 58: use(.none, .gb2312, isFirst)
        case 192: form = .utf8
        default: isIllegal = true
        }
    }

    private mutating func use(_ g0: GraphicSet, _ g1: GraphicSet, _ isInitial: Bool) {
        declared |= 1 << g0.rawValue | 1 << g1.rawValue
        if anyG1 == .none { anyG1 = g1 }
        guard isInitial else { return }
        if g0 != .none { initialG0 = g0 }
        if g1 != .none { initialG1 = g1 }
    }

    private enum Registration {
        case number(Int)
        case name(String)
    }

    /// The ISO registration number at the end of a term such as `ISO_IR 100` or
    /// `ISO 2022 IR 100`; for other terms their letters, in upper case, and digits.
    private static func registration(_ term: UnsafeRawBufferPointer) -> Registration {
        var letters: [UInt8] = []
        for byte in term {
            switch byte {
            case 0x30...0x39, 0x41...0x5A: letters.append(byte)
            case 0x61...0x7A: letters.append(byte - 0x20)
            default: continue
            }
        }
        let name = String(decoding: letters, as: UTF8.self)
        for prefix in ["ISO2022IR", "ISOIR"] where name.hasPrefix(prefix) {
            if let number = Int(name.dropFirst(prefix.count)) { return .number(number) }
        }
        return .name(name)
    }
}
