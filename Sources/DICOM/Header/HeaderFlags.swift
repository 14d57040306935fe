/// The unusual properties of a file whose header could still be read.
public struct HeaderFlags: OptionSet, Hashable, Sendable {
    /// One bit for each flag; the index and the ledger keep this number.
    public let rawValue: UInt16

    /// Makes flags from their bits.
    public init(rawValue: UInt16) { self.rawValue = rawValue }

    /// The 128 bytes and the letters `DICM` are missing (PS3.10 section 7.1).
    public static let noPreamble = HeaderFlags(rawValue: 1 << 0)
    /// Group 0002 is missing.
    public static let noFileMetaInformation = HeaderFlags(rawValue: 1 << 1)
    /// The data set is not encoded as its Transfer Syntax UID says; it was read as it is.
    public static let wrongTransferSyntax = HeaderFlags(rawValue: 1 << 2)
    /// Specific Character Set is missing, illegal or wrong for some text. That text was read as
    /// UTF-8 where it is valid UTF-8, otherwise as Latin-1.
    public static let wrongCharacterSet = HeaderFlags(rawValue: 1 << 3)
    /// The preamble is neither zeros nor the beginning of a TIFF file. It can hide a program
    /// (CVE-2019-11687).
    public static let unusualPreamble = HeaderFlags(rawValue: 1 << 4)
    /// The data set ends inside an element or sequence before PixelData, or stops making sense
    /// before the last indexed attribute. The attributes before that were read.
    public static let truncated = HeaderFlags(rawValue: 1 << 5)
    /// PixelData claims more bytes than the file has: the image is truncated.
    /// ``HeaderReader/readUpToPixels(_:)`` always notices that. ``HeaderReader/read(_:)`` notices
    /// it only when the beginning of PixelData was in memory anyway.
    public static let pixelDataTruncated = HeaderFlags(rawValue: 1 << 7)
    /// An indexed attribute has a value that its value representation does not allow: a number
    /// of the wrong size, more than 64 KiB of text, letters outside ASCII in a code.
    public static let invalidValue = HeaderFlags(rawValue: 1 << 6)
    /// An earlier file has the same data set, and another preamble or group 0002. ``HeaderReader``
    /// sees only one file and never sets this flag; the code that compares both files does.
    public static let sameDataSet = HeaderFlags(rawValue: 1 << 8)
    /// All content is there, and the file ends as it should not: the delimiter of the last sequence
    /// or of compressed pixels, or a pad byte, is missing, or bytes follow the data set that are no
    /// element. Only ``HeaderReader/readUpToPixels(_:)`` notices that.
    public static let unusualEnd = HeaderFlags(rawValue: 1 << 9)
}
