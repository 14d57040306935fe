/// The indexed attributes of one data set, as text.
///
/// All values lie in one piece of memory, so that reading a header costs one allocation.
/// Strings are created only on access:
///
/// ```
/// table   two UInt32 per attribute: offset and length of its text
/// text    UTF-8, one value after another, in the order of reading
/// ```
public struct HeaderAttributes: Sendable, AttributeValues {
    /// The unusual properties of the file.
    public internal(set) var flags: HeaderFlags

    /// Whether the file is a DICOMDIR, which lists images and is not an image (PS3.3 annex F).
    public internal(set) var isMediaStorageDirectory: Bool

    /// Offset of the element with the pixels, (7FE0,0008), (7FE0,0009) or (7FE0,0010), in bytes
    /// from the start of the file. `nil` in deflated files, and when the element was not read:
    /// reading stops at the last indexed attribute unless more is in memory anyway.
    public internal(set) var pixelDataOffset: UInt64?

    /// Offset of the data set, after group 0002, in bytes from the start of the file. A deflated
    /// data set begins there in its deflated form.
    public internal(set) var dataSetOffset: UInt64

    @usableFromInline let storage: [UInt8]

    /// The decoded text of an attribute, without the spaces and zeros at its end; several values
    /// are joined with `\`. Empty when the element is empty, `nil` when it is absent.
    public subscript(_ attribute: Attribute) -> String? {
        withUTF8(attribute) { String(decoding: $0, as: UTF8.self) }
    }

    /// Calls `body` with the text of an attribute, in valid UTF-8, without creating a string.
    ///
    /// - Parameters:
    ///   - attribute: The attribute.
    ///   - body: Must not keep the bytes beyond its return.
    /// - Returns: The result of `body`, or `nil` when the attribute is absent.
    @inlinable
    public func withUTF8<R>(_ attribute: Attribute, _ body: (UnsafeRawBufferPointer) -> R) -> R? {
        storage.withUnsafeBytes { bytes in
            let entry = Int(attribute.rawValue) * TextSlot.size
            let slot = bytes.loadUnaligned(fromByteOffset: entry, as: TextSlot.self)
            guard slot.isPresent else { return nil }
            let first = TextSlot.tableSize + Int(slot.offset)
            return body(UnsafeRawBufferPointer(rebasing: bytes[first..<first + Int(slot.length)]))
        }
    }
}

/// Offset and length of the text of one attribute, in bytes.
@usableFromInline
struct TextSlot: BitwiseCopyable {
    @usableFromInline var offset: UInt32
    @usableFromInline var length: UInt32

    init(offset: UInt32, length: UInt32) {
        self.offset = offset
        self.length = length
    }

    /// Bytes of one slot.
    @inlinable static var size: Int { 8 }
    /// Bytes of one slot for every attribute.
    @inlinable static var tableSize: Int { size * (Int(Attribute.columns.rawValue) + 1) }
    static var absent: TextSlot { TextSlot(offset: .max, length: 0) }
    @inlinable var isPresent: Bool { offset != .max }
}
