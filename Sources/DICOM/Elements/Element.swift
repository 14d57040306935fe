/// The head of a data element: everything except its value.
struct Element {
    var tag: Tag
    /// `none` where the encoding is implicit or the two letters make no sense.
    var vr: VR
    /// Position of the first byte of the value.
    var value: Int
    /// Bytes of the value; negative when undefined.
    var length: Int

    static let undefined = -1
    var isUndefined: Bool { length < 0 }

    /// The encoding of the items in this element: those of UN are in implicit VR little endian
    /// (PS3.5 section 6.2.2, note 2).
    func itemEncoding(in encoding: DataEncoding) -> DataEncoding {
        vr == .UN ? .implicitLittleEndian : encoding
    }
}

extension Element {
    /// An element with a length field of thirty-two bits, in which all ones mean "undefined".
    @inline(__always)
    init(tag: Tag, vr: VR, value: Int, length32: UInt32) {
        self.init(
            tag: tag, vr: vr, value: value,
            length: length32 == .max ? Element.undefined : Int(length32))
    }
}
