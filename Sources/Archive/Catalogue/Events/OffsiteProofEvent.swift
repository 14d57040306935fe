import JSON

/// Objects of a remote were fetched and hashed.
///
/// ```
/// offsiteproof   remote, objects   [object] that have the right bytes
///                faults            [[object, fault]], when there are any
/// ```
struct OffsiteProofEvent: RecordBody, Equatable {
    var remote: String
    /// Those that are good.
    var objects: [String]
    var faults: [OffsiteCheckEvent.Fault] = []

    static let kind = "offsiteproof"

    init(_ remote: String, objects: [String], faults: [OffsiteCheckEvent.Fault] = []) {
        self.remote = remote
        self.objects = objects
        self.faults = faults
    }

    var fields: JSONObject {
        var fields: JSONObject = [
            "remote": .string(remote), "objects": .array(objects.map { .string($0) }),
        ]
        if !faults.isEmpty { fields.append("faults", JSONValue(faults)) }
        return fields
    }

    init(_ fields: RecordFields) throws(RecordError) {
        remote = try fields.required("remote", \.string)
        objects = try fields.required("objects") { $0.array?.all { $0.string } }
        faults = try fields.faults(Self.kind)
    }
}
