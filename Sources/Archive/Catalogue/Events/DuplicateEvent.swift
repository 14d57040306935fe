import JSON
import Storage

/// Bytes came again that are archived.
///
/// ```
/// duplicate   sha256, from,
///             healed     [volume] that got a new copy, when there are any
///             verified   [volume] whose copy was read and is good, when there are any
/// ```
struct DuplicateEvent: RecordBody, Equatable {
    var digest: Digest
    /// Where the bytes came from.
    var source: String
    /// Ordinals of volumes whose copy was bad and was replaced.
    var healed: [Int] = []
    /// Ordinals of volumes whose copy was read, and is good.
    var verified: [Int] = []

    static let kind = "duplicate"

    init(_ digest: Digest, from source: String, healed: [Int], verified: [Int]) {
        self.digest = digest
        self.source = source
        self.healed = healed
        self.verified = verified
    }

    var fields: JSONObject {
        var fields: JSONObject = ["sha256": JSONValue(digest), "from": .string(source)]
        if !healed.isEmpty { fields.append("healed", JSONValue(healed)) }
        if !verified.isEmpty { fields.append("verified", JSONValue(verified)) }
        return fields
    }

    init(_ fields: RecordFields) throws(RecordError) {
        digest = try fields.required("sha256", \.digest)
        source = try fields.required("from", \.string)
        healed = try fields.optional("healed", \.ordinals) ?? []
        verified = try fields.optional("verified", \.ordinals) ?? []
    }
}
