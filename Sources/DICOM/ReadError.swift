import System

/// The reason why a header could not be read.
public struct ReadError: DescribedError, Hashable {
    /// The kind of failure. More kinds may be added.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        private enum Kind: String {
            case notDICOM, empty, truncatedMeta, noDataSet, truncatedDataSet, badLength, badElement
            case nestingTooDeep, deflateCorrupt, deflateTooLong, io
        }
        private let kind: Kind
        private init(_ kind: Kind) { self.kind = kind }
        /// The name of the kind, as in this source.
        public var description: String { kind.rawValue }

        /// The bytes are not DICOM.
        public static let notDICOM = Code(.notDICOM)
        /// The file has no bytes.
        public static let empty = Code(.empty)
        /// The bytes end, or stop making sense, within group 0002.
        public static let truncatedMeta = Code(.truncatedMeta)
        /// Nothing follows the preamble or group 0002.
        public static let noDataSet = Code(.noDataSet)
        /// The bytes end within the data set, before anything identifies it.
        public static let truncatedDataSet = Code(.truncatedDataSet)
        /// An element or item claims more bytes than there are.
        public static let badLength = Code(.badLength)
        /// The bytes where an element should begin are not an element.
        public static let badElement = Code(.badElement)
        /// Sequences lie within sequences more than 64 levels deep.
        public static let nestingTooDeep = Code(.nestingTooDeep)
        /// A deflated data set cannot be inflated.
        public static let deflateCorrupt = Code(.deflateCorrupt)
        /// A deflated data set inflates to more than 16 MiB before its header ends.
        public static let deflateTooLong = Code(.deflateTooLong)
        /// The medium could not be read; the file itself may be good.
        public static let io = Code(.io)
    }

    /// The kind of failure.
    public var code: Code

    /// Where in the file the failure was found, in bytes from its start. In a deflated data set:
    /// how far the file had been inflated.
    public var offset: UInt64

    /// The element in which it was found, `(0008,1115)[0].(0020,000E)`, items counted from 0;
    /// `nil` before the first element.
    public var tagPath: String?

    /// What happened, for the person who keeps the archive.
    public var message: String

    public var remedy: String

    /// Of a medium that fails: the error of the system call.
    public var systemError: Errno?

    public var cause: (any Error)? { systemError }

    /// Always `nil`: the reader sees bytes, and its caller knows of which file.
    public var path: String? { nil }

    /// An error with these values.
    public init(
        code: Code, offset: UInt64, tagPath: String? = nil, message: String, remedy: String = "",
        systemError: Errno? = nil
    ) {
        self.code = code
        self.offset = offset
        self.tagPath = tagPath
        self.message = message
        self.remedy = remedy
        self.systemError = systemError
    }

    /// The explanation with the offset: `… (byte 1234, element (0010,0010))`.
    public var description: String {
        let element = tagPath.map { ", element \($0)" } ?? ""
        return "\(explanation) (byte \(offset)\(element))"
    }

    /// The error of a ``ByteSource`` whose medium fails; its code is `io`.
    ///
    /// - Parameters:
    ///   - message: What could not be done: "The file cannot be read".
    ///   - error: Of the system call.
    ///   - offset: Where, in bytes from the start of the file.
    public static func unreadable(
        _ message: String, _ error: Errno, offset: UInt64
    ) -> ReadError {
        ReadError(
            code: .io, offset: offset, message: message,
            remedy: "The file itself may be good: check the disk or network it comes from and try "
                + "again.",
            systemError: error)
    }
}

/// A failure inside the reader; `HeaderReader.read` adds the tag path and the message.
enum Fault: Error {
    case data(ReadError.Code, at: Int)
    case source(ReadError)
}

extension ReadError {
    /// The error for a fault in the bytes.
    init(_ code: Code, offset: UInt64, tagPath: String?) {
        let (message, remedy) = Self.text(code)
        self.init(code: code, offset: offset, tagPath: tagPath, message: message, remedy: remedy)
    }

    private static let sendAgain = "Send it again from where it came."
    private static let sendFileAgain = "Send the file again from where it came."
    private static let doNotTrust = "Check where the file comes from before you trust it."

    private static func text(_ code: Code) -> (message: String, remedy: String) {
        switch code {
        case .notDICOM:
            (
                "This is not a DICOM file: it has neither the letters DICM after a preamble nor "
                    + "the beginning of a data set",
                "If it should be an image, export it again as DICOM."
            )
        case .empty:
            (
                "The file is empty",
                "Send it again; if it is empty at the sender too, it is lost there."
            )
        case .truncatedMeta:
            (
                "The file begins as DICOM but is damaged or incomplete in its first part, the "
                    + "file meta information", sendAgain
            )
        case .noDataSet:
            (
                "The file begins as DICOM but nothing follows the first part: there is no patient "
                    + "and no image in it", sendAgain
            )
        case .truncatedDataSet:
            ("The file ends before anything says whose image it is", sendAgain)
        case .badLength:
            (
                "The header is damaged: an element claims more bytes than there are, and nothing "
                    + "before it says whose image it is", sendFileAgain
            )
        case .badElement:
            (
                "The header is damaged: it stops making sense before anything says whose image it "
                    + "is", sendFileAgain
            )
        case .nestingTooDeep:
            (
                "The header has sequences more than \(HeaderReader.deepestNesting) levels deep, "
                    + "which no device writes", doNotTrust
            )
        case .deflateCorrupt:
            ("The compressed header is damaged: it cannot be inflated", sendFileAgain)
        case .deflateTooLong:
            (
                "The compressed header inflates to more than 16 MiB, which no device writes",
                doNotTrust
            )
        default:
            ("The file could not be read", "Try again.")
        }
    }
}
