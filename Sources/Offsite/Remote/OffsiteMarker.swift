import JSON
import Storage

/// The object that says whose a remote is: `pacsfs-archive.json`. It is encrypted like all others,
/// so that reading it proves the keys.
///
///     {"format":1,"archive":"6f1d9c1e-…","site":"6f1d9c1e","created":"2026-11-28T11:00:00…Z"}
public struct OffsiteMarker: Hashable, Sendable {
    /// Of the layout; a program must refuse one that it does not know.
    public var format: Int64
    /// The archive's id, a UUID.
    public var archive: String
    /// The name of its ledger's folder.
    public var site: String
    /// When the remote was first used.
    public var created: Timestamp

    public static let currentFormat: Int64 = 1

    public init(archive: String, created: Timestamp) {
        format = Self.currentFormat
        self.archive = archive
        site = Ledger.site(archive: archive)
        self.created = created
    }

    var encoded: [UInt8] {
        let value: JSONValue = [
            "format": .int(format), "archive": .string(archive), "site": .string(site),
            "created": .string("\(created)"),
        ]
        return Array((JSONWriter.text(of: value) + "\n").utf8)
    }

    /// `nil` when the bytes are something else.
    init?(_ bytes: [UInt8]) {
        var line = bytes
        while line.last == 0x0A { line.removeLast() }
        guard let object = try? JSONParser.value(of: line).object,
            let format = object["format"]?.int, format > 0,
            let archive = object["archive"]?.string, let site = object["site"]?.string,
            let created = object["created"]?.string.flatMap({ Timestamp($0) })
        else { return nil }
        (self.format, self.archive, self.site, self.created) = (format, archive, site, created)
    }
}

/// What a look at a remote has found.
public enum RemoteContents: Hashable, Sendable {
    /// Nothing, or only a README.txt.
    case empty
    case archive(OffsiteMarker)
}
