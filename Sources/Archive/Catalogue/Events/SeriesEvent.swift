import JSON
import TagIndex

// The first image of a series was archived. The attributes are those of that image; records of
// images have what differs from them.
//
//   series   id, paths [view/level/…], a {keyword: value}
extension SeriesRecord: RecordBody {
    static let kind = "series"

    var fields: JSONObject {
        [
            "id": .int(id), "paths": .array(paths.map { JSONValue(path: $0) }),
            "a": .object(attributes.object),
        ]
    }

    init(_ fields: RecordFields) throws(RecordError) {
        self.init(
            id: try fields.required("id", \.count), created: fields.time.nanoseconds,
            attributes: AttributeSet(try fields.required("a", \.object)),
            paths: try fields.required("paths") { $0.array?.all(\.path) })
    }
}
