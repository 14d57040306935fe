/// The request of a sender that opens an association: an A-ASSOCIATE-RQ unit (PS3.8 section
/// 9.3.2).
struct AssociationRequest {
    /// The name that the sender gives itself; `unknown` when it gives none.
    var callingAETitle: String
    /// The presentation contexts it asks for: an abstract syntax, mostly the UID of a SOP class,
    /// with the transfer syntaxes it could use, in the order of its preference.
    var contexts: [(abstractSyntax: String, transferSyntaxes: [String])] = []

    /// - Throws: ``AssociationError`` when the unit is not such a request.
    init(_ unit: ProtocolDataUnit) throws(AssociationError) {
        guard unit.kind == .associateRequest, unit.bytes.count >= 74 else {
            throw AssociationError(
                .protocolViolation, "Its first message is not a request for a DICOM association")
        }
        // It is shown and logged, so only the default character repertoire is let through (PS3.8
        // section 9.3.2).
        let letters = unit.bytes[26..<42].map {
            (0x20...0x7E).contains($0) ? $0 : $0 == 0 ? 0x20 : UInt8(ascii: "_")
        }
        let title = String(decoding: letters, as: UTF8.self).split(separator: " ").joined(
            separator: " ")
        callingAETitle = title.isEmpty ? "unknown" : title
        for item in Self.items(unit.bytes[74...]) where item.type == 0x20 && item.value.count >= 4 {
            var abstractSyntax: String?
            var transferSyntaxes: [String] = []
            for part in Self.items(item.value.dropFirst(4)) {
                guard let uid = Self.uid(part.value) else { continue }
                if part.type == 0x30 { abstractSyntax = uid }
                if part.type == 0x40 { transferSyntaxes.append(uid) }
            }
            if let abstractSyntax { contexts.append((abstractSyntax, transferSyntaxes)) }
            // A context's number is an odd byte (PS3.8 section 9.3.2.2).
            guard contexts.count <= 128, transferSyntaxes.count <= 256 else {
                throw AssociationError(
                    .protocolViolation,
                    "It asked for more presentation contexts than DICOM has numbers for")
            }
        }
    }

    /// Items: type 1 byte, reserved 1, length 2 (big endian), value.
    private static func items(_ bytes: ArraySlice<UInt8>) -> [(
        type: UInt8, value: ArraySlice<UInt8>
    )] {
        var items: [(UInt8, ArraySlice<UInt8>)] = []
        var rest = bytes
        while rest.count >= 4 {
            let start = rest.startIndex
            let length = Int(rest[start + 2]) << 8 | Int(rest[start + 3])
            guard rest.count >= 4 + length else { break }
            items.append((rest[start], rest[(start + 4)..<(start + 4 + length)]))
            rest = rest[(start + 4 + length)...]
        }
        return items
    }

    /// Digits and dots (PS3.5 section 9.1), and nothing else, for it is written into a file that
    /// another program reads.
    private static func uid(_ bytes: ArraySlice<UInt8>) -> String? {
        let text = bytes.prefix { $0 != 0 && $0 != 0x20 }
        guard !text.isEmpty, text.count <= 64,
            text.allSatisfy({
                $0 == UInt8(ascii: ".") || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
            })
        else { return nil }
        return String(decoding: text, as: UTF8.self)
    }
}
