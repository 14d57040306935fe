import Glibc

/// The text of the attributes of the header being read. Its memory is reused for the next
/// header.
struct AttributeText: ~Copyable {
    private var bytes: UnsafeMutablePointer<UInt8>
    private var capacity: Int
    private(set) var count = 0
    private let slots: UnsafeMutablePointer<TextSlot>
    private static let attributes = TextSlot.tableSize / TextSlot.size

    init() {
        capacity = 4096
        bytes = .allocate(capacity: capacity)
        slots = .allocate(capacity: Self.attributes)
        slots.initialize(repeating: .absent, count: Self.attributes)
    }

    deinit {
        bytes.deallocate()
        slots.deallocate()
    }

    /// Forgets all values.
    mutating func removeAll() {
        count = 0
        slots.update(repeating: .absent, count: Self.attributes)
    }

    /// Provides space for `more` bytes; ``advance(_:)`` counts those that were written to it.
    @inline(__always)
    mutating func space(for more: Int) -> UnsafeMutablePointer<UInt8> {
        if count &+ more > capacity { grow(by: more) }
        return bytes + count
    }

    @inline(never)
    private mutating func grow(by more: Int) {
        capacity = max(capacity * 2, count + more)
        let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity)
        larger.update(from: bytes, count: count)
        bytes.deallocate()
        bytes = larger
    }

    /// Counts bytes written to ``space(for:)``.
    mutating func advance(_ written: Int) { count += written }

    /// Removes everything after `length` bytes.
    mutating func truncate(to length: Int) { count = length }

    mutating func append(_ byte: UInt8) {
        space(for: 1).pointee = byte
        count += 1
    }

    mutating func append(_ source: UnsafeRawBufferPointer) {
        guard let first = source.baseAddress, source.count > 0 else { return }
        memcpy(space(for: source.count), first, source.count)
        count += source.count
    }

    /// Puts ASCII text before what was written since `start`.
    mutating func insert(_ prefix: StaticString, at start: Int) {
        let length = prefix.utf8CodeUnitCount
        _ = space(for: length)
        memmove(bytes + start + length, bytes + start, count - start)
        memcpy(bytes + start, prefix.utf8Start, length)
        count += length
    }

    /// Appends a Unicode scalar below 0x10000 in UTF-8.
    mutating func append(scalar: UInt32) {
        let target = space(for: 3)
        if scalar < 0x80 {
            target[0] = UInt8(truncatingIfNeeded: scalar)
            count += 1
        } else if scalar < 0x800 {
            target[0] = UInt8(truncatingIfNeeded: 0xC0 | scalar >> 6)
            target[1] = UInt8(truncatingIfNeeded: 0x80 | scalar & 0x3F)
            count += 2
        } else {
            target[0] = UInt8(truncatingIfNeeded: 0xE0 | scalar >> 12)
            target[1] = UInt8(truncatingIfNeeded: 0x80 | scalar >> 6 & 0x3F)
            target[2] = UInt8(truncatingIfNeeded: 0x80 | scalar & 0x3F)
            count += 3
        }
    }

    /// Removes the padding, spaces and zeros, at the end of what was written since `start`.
    mutating func trimPadding(since start: Int) {
        while count > start, bytes[count - 1] == 0x20 || bytes[count - 1] == 0 { count -= 1 }
    }

    /// Removes the `=` at the end of a person name that stand for absent groups
    /// (PS3.5 section 6.2.1.1).
    mutating func trimEmptyNameGroups(since start: Int) {
        while count > start, bytes[count - 1] == 0x3D { count -= 1 }
    }

    /// Assigns what was written since `start` to an attribute.
    mutating func assign(_ attribute: Attribute, since start: Int) {
        slots[Int(attribute.rawValue)] = TextSlot(
            offset: UInt32(truncatingIfNeeded: start),
            length: UInt32(truncatingIfNeeded: count - start))
    }

    /// Whether the attribute was found in this header.
    func has(_ attribute: Attribute) -> Bool { slots[Int(attribute.rawValue)].isPresent }

    /// Whether the attribute was found and is not empty.
    func hasValue(_ attribute: Attribute) -> Bool {
        let slot = slots[Int(attribute.rawValue)]
        return slot.isPresent && slot.length > 0
    }

    /// Calls `body` with the text of an attribute, or with no bytes when it is absent.
    func withText<R>(_ attribute: Attribute, _ body: (UnsafeRawBufferPointer) -> R) -> R {
        let slot = slots[Int(attribute.rawValue)]
        guard slot.isPresent else { return body(UnsafeRawBufferPointer(start: nil, count: 0)) }
        return body(
            UnsafeRawBufferPointer(start: bytes + Int(slot.offset), count: Int(slot.length)))
    }

    /// A copy of table and text in the layout of `HeaderAttributes`.
    func makeStorage() -> [UInt8] {
        let table = TextSlot.tableSize
        return [UInt8](unsafeUninitializedCapacity: table + count) { buffer, initialized in
            if let target = buffer.baseAddress {
                memcpy(target, slots, table)
                memcpy(target + table, bytes, count)
            }
            initialized = table + count
        }
    }
}
