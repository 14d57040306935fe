import System

/// Why an association cannot go on.
typealias AssociationError = CodedError<AssociationErrorCode>

enum AssociationErrorCode: Sendable {
    /// Bytes came that are not DICOM.
    case protocolViolation
    /// The other side said nothing for too long.
    case silence
    /// The archive is not mounted.
    case notMounted
    /// `storescp` does not do what it should.
    case provider
    /// A file or folder of incoming cannot be made.
    case incoming
}
