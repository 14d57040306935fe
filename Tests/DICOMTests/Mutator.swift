import SyntheticStudy

/// Damages files at random, in the ways that files get damaged and that attackers try.
struct Mutator {
    private(set) var random: SeededRandom

    init(seed: UInt64) { random = SeededRandom(seed: seed) }

    /// A damaged copy of `original`; parts of `other` may be in it.
    mutating func mutate(_ original: [UInt8], _ other: [UInt8]) -> [UInt8] {
        var bytes = original
        for _ in 0..<Int.random(in: 1...3, using: &random) {
            switch Int.random(in: 0..<8, using: &random) {
            case 0: flipBits(&bytes)
            case 1: bytes.removeLast(bytes.isEmpty ? 0 : place(bytes.count))
            case 2, 3: editLength(&bytes)
            case 4: splice(&bytes, other)
            case 5: remove(&bytes)
            case 6: overwrite(&bytes)
            default: editTag(&bytes)
            }
        }
        return bytes
    }

    /// A random place, more often near the beginning, where the header is.
    private mutating func place(_ count: Int) -> Int {
        let limit = Bool.random(using: &random) ? min(count, 700) : count
        return Int.random(in: 0..<max(1, limit), using: &random)
    }

    private mutating func flipBits(_ bytes: inout [UInt8]) {
        guard !bytes.isEmpty else { return }
        for _ in 0..<Int.random(in: 1...8, using: &random) {
            bytes[place(bytes.count)] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        }
    }

    /// A place that begins with two capitals, such as a value representation.
    private mutating func letters(_ bytes: [UInt8]) -> Int? {
        let start = place(bytes.count)
        let end = min(bytes.count, start + 200)
        guard start + 8 < end else { return nil }
        return (start..<end - 8).first {
            (0x41...0x5A).contains(bytes[$0]) && (0x41...0x5A).contains(bytes[$0 + 1])
        }
    }

    private mutating func editLength(_ bytes: inout [UInt8]) {
        guard let place = letters(bytes) else { return }
        let lengths: [UInt32] = [
            0, 1, 3, 0xFF, 0x7FFF, 0xFFFF, 0x7FFF_FFFF, 0xFFFF_FFFE, 0xFFFF_FFFF,
            UInt32(truncatingIfNeeded: random.next()), UInt32(bytes.count - place),
        ]
        let length = lengths.randomElement(using: &random) ?? 0
        let isLong = Bool.random(using: &random)
        for index in 0..<(isLong ? 4 : 2) {
            bytes[place + (isLong ? 4 : 2) + index] = UInt8(
                truncatingIfNeeded: length >> (8 * UInt32(index)))
        }
        if isLong, Bool.random(using: &random) {
            let vrs = ["SQ", "UN", "OB", "UT"]
            let vr = Array((vrs.randomElement(using: &random) ?? "SQ").utf8)
            bytes.replaceSubrange(place..<place + 4, with: vr + [0, 0])
        }
    }

    private mutating func editTag(_ bytes: inout [UInt8]) {
        guard let place = letters(bytes), place >= 4 else { return }
        let tags: [[UInt8]] = [
            [0xFE, 0xFF, 0x00, 0xE0], [0xFE, 0xFF, 0x0D, 0xE0], [0xFE, 0xFF, 0xDD, 0xE0],
            [0x08, 0x00, 0x05, 0x00], [0x10, 0x00, 0x02, 0x10], [0x04, 0x00, 0x20, 0x12],
            [0xE0, 0x7F, 0x10, 0x00], [0x28, 0x00, 0x11, 0x00], [0, 0, 0, 0],
        ]
        bytes.replaceSubrange(place - 4..<place, with: tags.randomElement(using: &random) ?? [])
    }

    private mutating func splice(_ bytes: inout [UInt8], _ other: [UInt8]) {
        guard !other.isEmpty else { return }
        let start = place(other.count)
        let part = other[start..<min(other.count, start + place(400) + 1)]
        let target = place(bytes.count + 1)
        let end = Bool.random(using: &random) ? target : min(bytes.count, target + part.count)
        guard target <= bytes.count else { return }
        bytes.replaceSubrange(target..<end, with: part)
    }

    private mutating func remove(_ bytes: inout [UInt8]) {
        let start = place(bytes.count)
        bytes.removeSubrange(min(start, bytes.count)..<min(bytes.count, start + place(64)))
    }

    private mutating func overwrite(_ bytes: inout [UInt8]) {
        guard !bytes.isEmpty else { return }
        let start = place(bytes.count)
        let value = [0x00, 0xFF, 0x1B, 0x5C, 0x20].randomElement(using: &random) ?? 0
        for index in start..<min(bytes.count, start + place(32) + 1) { bytes[index] = UInt8(value) }
    }
}
