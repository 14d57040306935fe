import Foundation

/// What a command prints with `--json`: an object, whose ``format`` the manual page shows.
///
/// One rule holds for all of them. Swift's `camelCase` names become `snake_case`; states are words
/// out of a fixed list; times are UTC, as `2026-11-22T02:05:52.123456789Z`; what is not known is
/// `null` and never left out (``Null``). Keywords of DICOM stay as the standard spells them: they
/// are keys of an object `attributes`, and data.
protocol JSONDocument: Encodable {
    static var format: DocumentFormat { get }
}

extension JSONDocument {
    /// The document with its version.
    ///
    /// - Parameter isOneLine: Without line breaks.
    /// - Throws: `EncodingError` when a number in it is not finite.
    func json(isOneLine: Bool) throws -> String {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        if !isOneLine { encoder.outputFormatting.insert(.prettyPrinted) }
        let data = try encoder.encode(VersionedDocument(content: self))
        return SafeText.json(String(decoding: data, as: UTF8.self))
    }
}

/// A document, with the version of all documents beside its own fields.
private struct VersionedDocument<Content: JSONDocument>: Encodable {
    let content: Content

    private enum CodingKeys: CodingKey { case version }

    func encode(to encoder: any Encoder) throws {
        try content.encode(to: encoder)
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(DocumentFormat.version, forKey: .version)
    }
}
