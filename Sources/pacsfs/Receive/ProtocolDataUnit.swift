/// A protocol data unit of the DICOM upper layer (PS3.8 section 9.3), whole:
///
/// ```
/// type 1 byte | reserved 1 | length of the rest 4, big endian | …
/// ```
struct ProtocolDataUnit {
    enum Kind: UInt8 {
        case associateRequest = 1
        case associateReject = 3
        case data = 4
        case releaseResponse = 6
        case abort = 7
    }

    static let headerLength = 6
    /// Bytes. Nobody announces longer units: a longer one is not DICOM, or an attack.
    static let longest = 1 << 20

    var bytes: [UInt8]

    /// `nil` for a kind that is passed on without a look inside.
    var kind: Kind? { Kind(rawValue: bytes[0]) }

    /// Whether nothing comes after it.
    var isLast: Bool { kind == .associateReject || kind == .releaseResponse || kind == .abort }

    /// Refuses an association for now (PS3.8 section 9.3.4): result transient, source provider
    /// (presentation), reason local limit exceeded.
    static let busy = ProtocolDataUnit(bytes: [
        Kind.associateReject.rawValue, 0, 0, 0, 0, 4, 0, 2, 3, 2,
    ])

    /// Ends an association at once (PS3.8 section 9.3.8): source provider, no reason.
    static let abort = ProtocolDataUnit(bytes: [Kind.abort.rawValue, 0, 0, 0, 0, 4, 0, 0, 2, 0])
}

/// Cuts a stream of bytes into units.
struct ProtocolDataUnits {
    private var bytes: [UInt8] = []

    mutating func append(_ more: ArraySlice<UInt8>) { bytes += more }

    /// The next unit; `nil` until all of it has come.
    ///
    /// - Throws: ``AssociationError`` when it is too long to be one.
    mutating func next() throws(AssociationError) -> ProtocolDataUnit? {
        guard bytes.count >= ProtocolDataUnit.headerLength else { return nil }
        let length = bytes[2..<6].reduce(0) { $0 << 8 | Int($1) }
        guard length <= ProtocolDataUnit.longest else {
            throw AssociationError(.protocolViolation, "The bytes that came are not DICOM")
        }
        let end = ProtocolDataUnit.headerLength + length
        guard bytes.count >= end else { return nil }
        let unit = ProtocolDataUnit(bytes: Array(bytes[..<end]))
        bytes.removeFirst(end)
        return unit
    }
}
