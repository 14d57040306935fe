import JSON
import Storage

/// Good copies of images were made, or found.
///
/// ```
/// copies   volume, sha256 [digest, …]
/// ```
struct CopiesEvent: RecordBody, Equatable {
    var digests: [Digest]
    /// The ordinal of the volume.
    var volume: Int

    static let kind = "copies"

    init(_ digests: [Digest], on volume: Int) {
        self.digests = digests
        self.volume = volume
    }

    var fields: JSONObject {
        [
            "volume": .int(Int64(volume)),
            "sha256": .array(digests.map { JSONValue($0) }),
        ]
    }

    init(_ fields: RecordFields) throws(RecordError) {
        volume = try fields.required("volume", \.ordinal)
        digests = try fields.required("sha256") { $0.array?.all(\.digest) }
    }
}
