/// The header of a member of a tar file, as POSIX.1-1988 (ustar) has it.
///
/// See: 'man 5 tar', "POSIX ustar Archives"
struct TarHeader: Hashable {
    /// At most 100 bytes.
    var name: String
    var bytes: Int64

    /// Headers and contents begin at multiples of this.
    static let block: Int64 = 512

    /// A size in whole blocks.
    static func padded(_ bytes: Int64) -> Int64 { (bytes + block - 1) / block * block }

    /// What is wrong with a block that should be a header.
    struct Fault: Error, Hashable {
        var reason: String
    }

    // Offset and length of each field.
    private static let nameField = 0..<100
    private static let modeField = 100..<108
    private static let uidField = 108..<116
    private static let gidField = 116..<124
    private static let sizeField = 124..<136
    private static let timeField = 136..<148
    private static let sumField = 148..<156
    private static let typeByte = 156
    private static let magicField = 257..<265
    private static let userField = 265..<297
    private static let groupField = 297..<329

    /// The 512 bytes.
    var encoded: [UInt8] {
        var block = [UInt8](repeating: 0, count: Int(Self.block))
        func put(_ text: String, _ field: Range<Int>) {
            block.replaceSubrange(
                field.lowerBound..<field.lowerBound + text.utf8.count, with: text.utf8)
        }
        func put(_ number: Int64, _ field: Range<Int>) {
            let digits = String(number, radix: 8)
            put(String(repeating: "0", count: field.count - 1 - digits.count) + digits, field)
        }
        put(name, Self.nameField)
        put(0o444, Self.modeField)
        put(0, Self.uidField)
        put(0, Self.gidField)
        put(bytes, Self.sizeField)
        put(0, Self.timeField)
        put("ustar\u{0}00", Self.magicField)
        put("root", Self.userField)
        put("root", Self.groupField)
        block[Self.typeByte] = UInt8(ascii: "0")
        // The sum counts itself as blanks; six digits, a zero and a blank are what everybody
        // writes.
        let sum = Self.sum(of: block)
        let digits = String(sum, radix: 8)
        put(
            String(repeating: "0", count: 6 - digits.count) + digits + "\u{0} ", Self.sumField)
        return block
    }

    private static func sum(of block: some Collection<UInt8>) -> Int {
        zip(block, 0...).reduce(0) { sum, entry in
            sum + (sumField.contains(entry.1) ? 0x20 : Int(entry.0))
        }
    }

    init(name: String, bytes: Int64) {
        self.name = name
        self.bytes = bytes
    }

    /// Reads a block; `nil` for one of zeros, which ends the file.
    ///
    /// - Throws: ``Fault`` when it is not the header of a plain file with a short name.
    init?(_ block: [UInt8]) throws(Fault) {
        if block.allSatisfy({ $0 == 0 }) { return nil }
        guard block.count == Int(Self.block) else { throw Fault(reason: "a header is cut off") }
        guard Array(block[Self.magicField]) == Array("ustar\u{0}00".utf8) else {
            throw Fault(reason: "a header has no mark of ustar")
        }
        guard let sum = Self.number(block[Self.sumField]), sum == Self.sum(of: block) else {
            throw Fault(reason: "a header has another sum than it says")
        }
        guard block[Self.typeByte] == UInt8(ascii: "0") else {
            throw Fault(reason: "a member is not a plain file")
        }
        guard let bytes = Self.number(block[Self.sizeField]) else {
            throw Fault(reason: "a member has no size")
        }
        let name = block[Self.nameField].prefix { $0 != 0 }
        guard let name = String(validating: name, as: UTF8.self), !name.isEmpty else {
            throw Fault(reason: "a member has no name")
        }
        self.init(name: name, bytes: Int64(bytes))
        guard encoded == block else { throw Fault(reason: "a header is unlike those of packs") }
    }

    /// Octal digits up to a zero or a blank.
    private static func number(_ field: ArraySlice<UInt8>) -> Int? {
        let digits = field.prefix { $0 != 0 && $0 != 0x20 }
        guard !digits.isEmpty, digits.allSatisfy({ (0x30...0x37).contains($0) }) else { return nil }
        return digits.reduce(0) { $0 * 8 + Int($1 - 0x30) }
    }
}
