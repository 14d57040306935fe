import DICOM

/// What is unusual about the file of an image, as `pacsfs show` prints it.
enum ImageFlag: String, CaseIterable, Encodable {
    case noPreamble = "no_preamble"
    case noFileMetaInformation = "no_file_meta_information"
    case wrongTransferSyntax = "wrong_transfer_syntax"
    case wrongCharacterSet = "wrong_character_set"
    case unusualPreamble = "unusual_preamble"
    case truncated
    case invalidValue = "invalid_value"
    case pixelDataTruncated = "pixel_data_truncated"
    case sameDataSet = "same_data_set"
    case unusualEnd = "unusual_end"

    private var flag: HeaderFlags {
        switch self {
        case .noPreamble: .noPreamble
        case .noFileMetaInformation: .noFileMetaInformation
        case .wrongTransferSyntax: .wrongTransferSyntax
        case .wrongCharacterSet: .wrongCharacterSet
        case .unusualPreamble: .unusualPreamble
        case .truncated: .truncated
        case .invalidValue: .invalidValue
        case .pixelDataTruncated: .pixelDataTruncated
        case .sameDataSet: .sameDataSet
        case .unusualEnd: .unusualEnd
        }
    }

    /// Those that the index has of an image.
    static func all(in flags: Int64) -> [ImageFlag] {
        let flags = HeaderFlags(rawValue: UInt16(truncatingIfNeeded: flags))
        return allCases.filter { flags.contains($0.flag) }
    }
}
