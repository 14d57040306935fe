import System

/// Why an association cannot go on.
struct AssociationError: DescribedError {
    enum Code: Sendable {
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

    var code: Code
    var message: String
    var path: String?
    var remedy = ""
    var cause: (any Error)?

    init(
        _ code: Code, _ message: String, path: String? = nil, remedy: String = "",
        cause: (any Error)? = nil
    ) {
        self.code = code
        self.message = message
        self.path = path
        self.remedy = remedy
        self.cause = cause
    }
}
