/// The answer to one image, as a storage provider sends it: a C-STORE-RSP message (PS3.7 section
/// 9.3.1.2) in a P-DATA-TF unit (PS3.8 section 9.3.5).
struct StoreResponse {
    /// The outcome for the image (PS3.4 section B.2.3, PS3.7 annex C).
    struct Status: Equatable {
        var code: UInt16

        /// It is stored: success, or a warning about its content.
        var isStored: Bool { code == 0 || code & 0xF000 == 0xB000 }

        static let outOfResources = Status(code: 0xA700)
        static let processingFailure = Status(code: 0x0110)
        static let cannotUnderstand = Status(code: 0xC000)
    }

    var status: Status
    /// The offset of the two bytes of the status in the unit.
    private let statusOffset: Int

    /// Finds the answer in a unit that a storage provider sends; `nil` when it has none.
    ///
    /// - Throws: ``AssociationError`` for a command in several pieces: an answer that is not
    ///   understood must not pass for an image that is safe.
    init?(in unit: ProtocolDataUnit) throws(AssociationError) {
        guard unit.kind == .data else { return nil }
        let bytes = unit.bytes
        var found: StoreResponse?
        var position = ProtocolDataUnit.headerLength
        // Values: length 4 bytes (big endian), presentation context 1, control header 1, fragment.
        while position + 6 <= bytes.count {
            let length = bytes[position..<position + 4].reduce(0) { $0 << 8 | Int($1) }
            guard length >= 2, position + 4 + length <= bytes.count else {
                throw AssociationError(.provider, "The answer of storescp is not DICOM")
            }
            let control = bytes[position + 5]
            if control & 1 != 0 {
                guard control & 2 != 0, found == nil else {
                    throw AssociationError(
                        .provider, "The answer of storescp came in several pieces")
                }
                found = try Self(bytes, command: position + 6..<position + 4 + length)
            }
            position += 4 + length
        }
        guard let found else { return nil }
        self = found
    }

    /// A command set: elements in implicit VR little endian (PS3.7 section 6.3.1); `nil` for
    /// another command.
    private init?(_ bytes: [UInt8], command: Range<Int>) throws(AssociationError) {
        func number16(_ offset: Int) -> UInt16 {
            UInt16(bytes[offset]) | UInt16(bytes[offset + 1]) << 8
        }
        var field: UInt16?
        var status: Int?
        var position = command.lowerBound
        while position + 8 <= command.upperBound {
            let length = Int(number16(position + 4)) | Int(number16(position + 6)) << 16
            guard position + 8 + length <= command.upperBound else {
                throw AssociationError(.provider, "The answer of storescp is not DICOM")
            }
            if number16(position) == 0, length == 2 {
                switch number16(position + 2) {
                case 0x0100: field = number16(position + 8)
                case 0x0900: status = position + 8
                default: break
                }
            }
            position += 8 + length
        }
        // C-STORE-RSP (PS3.7 annex E).
        guard field == 0x8001 else { return nil }
        guard let status else {
            throw AssociationError(.provider, "The answer of storescp has no status")
        }
        self.status = Status(code: number16(status))
        statusOffset = status
    }

    /// The unit with another answer in it.
    func replaced(by status: Status, in unit: ProtocolDataUnit) -> ProtocolDataUnit {
        var unit = unit
        unit.bytes[statusOffset] = UInt8(truncatingIfNeeded: status.code)
        unit.bytes[statusOffset + 1] = UInt8(truncatingIfNeeded: status.code >> 8)
        return unit
    }
}

extension StoreResponse.Status: CustomStringConvertible {
    /// As conformance statements write it.
    var description: String { String(code, radix: 16, uppercase: true) + "H" }
}
