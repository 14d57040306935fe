import DICOM
import JSON
import Storage
import TagIndex

/// An image was archived.
///
/// ```
/// ingest   sha256, bytes, series, name,
///          uid        SOPInstanceUID, when the image has one
///          uidname    unless it is <uid>.dcm
///          on         [volume]
///          flags      unless they are 0
///          from
///          same       SHA-256 of an earlier image with the same data set, when there is one
///          a          {keyword: value} that differ from the series, null for an absent one
/// ```
struct IngestEvent: RecordBody, Equatable {
    /// The image. Its `id` counts in the index only, and its `difference` need not have the
    /// SOPInstanceUID: images are numbered in the order of the ledger, and ``uid`` is written.
    var image: InstanceRecord
    /// SOPInstanceUID; `nil` when the image has none.
    var uid: String?

    static let kind = "ingest"

    init(_ image: InstanceRecord, uid: String?) {
        self.image = image
        self.uid = uid
    }

    var fields: JSONObject {
        var fields: JSONObject = [
            "sha256": .string(Digest(bytes: image.sha256)?.hex ?? ""),
            "bytes": .int(image.bytes), "series": .int(image.series),
            "name": .string(image.name),
        ]
        if let uid { fields.append("uid", .string(uid)) }
        if image.uidName != uid.map(Self.plainName) {
            fields.append("uidname", .string(image.uidName))
        }
        fields.append("on", JSONValue(image.volumes))
        if image.flags != 0 { fields.append("flags", .int(image.flags)) }
        fields.append("from", .string(image.source))
        if let same = image.same.flatMap({ Digest(bytes: $0) }) {
            fields.append("same", JSONValue(same))
        }
        let difference = image.difference.object.members.filter {
            $0.key != Attribute.sopInstanceUID.keyword
        }
        if !difference.isEmpty { fields.append("a", .object(JSONObject(difference))) }
        return fields
    }

    init(_ fields: RecordFields) throws(RecordError) {
        uid = try fields.optional("uid", \.string)
        guard let uidName = try fields.optional("uidname", \.string) ?? uid.map(Self.plainName)
        else { throw .field("uidname") }
        image = InstanceRecord(
            id: 0, series: try fields.required("series", \.count),
            sha256: try fields.required("sha256", \.digest).bytes,
            bytes: try fields.required("bytes", \.count), received: fields.time.nanoseconds,
            name: try fields.required("name", \.string),
            uidName: uidName,
            flags: try fields.optional("flags", \.count) ?? 0,
            source: try fields.required("from", \.string),
            volumes: try fields.required("on", \.ordinals),
            difference: AttributeSet(try fields.optional("a", \.object) ?? JSONObject()),
            same: try fields.optional("same", \.digest)?.bytes)
    }

    /// The image as the index has it.
    ///
    /// - Parameters:
    ///   - id: The number it gets.
    ///   - series: The attributes of its series.
    func image(id: Int64, in series: AttributeSet) -> InstanceRecord {
        var image = image
        image.id = id
        if series[.sopInstanceUID] != uid { image.difference[.sopInstanceUID] = uid }
        return image
    }

    /// The file name of an image with a proper UID that no earlier one has.
    private static func plainName(_ uid: String) -> String { uid + ".dcm" }
}
