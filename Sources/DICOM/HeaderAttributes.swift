/// The indexed attributes of one data set, as text.
///
/// All values lie in one piece of memory, so that reading a header costs one allocation;
/// strings are made when they are asked for:
///
/// ```
/// table   one pair of UInt32 per attribute: where its text begins and how long it is
/// text    UTF-8, one value after the other, in the order of reading
/// ```
public struct HeaderAttributes: Sendable, AttributeValues {
    /// What was unusual about the file.
    public internal(set) var flags: HeaderFlags

    /// Whether the file is a DICOMDIR: it lists images and is none (PS3.3 annex F).
    public internal(set) var isMediaStorageDirectory: Bool

    /// Where the element with the pixels, (7FE0,0008), (7FE0,0009) or (7FE0,0010), begins, in bytes
    /// from the start of the file. `nil` when it was not met, which is usual as reading stops
    /// at the last indexed attribute, and in deflated files, where it has no place.
    public internal(set) var pixelDataOffset: UInt64?

    let storage: [UInt8]

    /// The decoded text of an attribute, several values joined with `\`, without the spaces
    /// and zeros at its end; empty when the element is empty, `nil` when it is absent.
    public subscript(_ attribute: Attribute) -> String? {
        withUTF8(attribute) { String(decoding: $0, as: UTF8.self) }
    }

    /// Calls `body` with the text of an attribute, which is valid UTF-8, without making a
    /// string. The bytes must not be used after `body` has returned.
    ///
    /// - Returns: What `body` returns, or `nil` when the attribute is absent.
    public func withUTF8<R>(_ attribute: Attribute, _ body: (UnsafeRawBufferPointer) -> R) -> R? {
        storage.withUnsafeBytes { bytes in
            let entry = Int(attribute.rawValue) * TextSlot.size
            let slot = bytes.loadUnaligned(fromByteOffset: entry, as: TextSlot.self)
            guard slot.isPresent else { return nil }
            let first = TextSlot.size * Attribute.allCases.count + Int(slot.offset)
            return body(UnsafeRawBufferPointer(rebasing: bytes[first..<first + Int(slot.length)]))
        }
    }
}

/// Where the text of one attribute lies.
struct TextSlot: BitwiseCopyable {
    var offset: UInt32
    var length: UInt32

    static let size = 8
    static let absent = TextSlot(offset: .max, length: 0)
    var isPresent: Bool { offset != .max }
}
