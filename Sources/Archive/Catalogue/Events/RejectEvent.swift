import JSON
import Storage
import TagIndex

// A file was rejected. `path` is below the folder `rejected`.
//
//   reject   sha256, bytes, path, from, reason
extension RejectRecord: RecordBody {
    static let kind = "reject"

    var fields: JSONObject {
        [
            "sha256": .string(Digest(bytes: sha256)?.hex ?? ""), "bytes": .int(bytes),
            "path": .string(path), "from": .string(source), "reason": .string(reason),
        ]
    }

    init(_ fields: RecordFields) throws(RecordError) {
        self.init(
            sha256: try fields.required("sha256", \.digest).bytes,
            bytes: try fields.required("bytes", \.count),
            path: try fields.required("path", \.string),
            source: try fields.required("from", \.string),
            reason: try fields.required("reason", \.string), time: fields.time.nanoseconds)
    }
}
