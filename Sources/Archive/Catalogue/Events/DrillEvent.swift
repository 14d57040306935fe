import JSON
import Storage

/// A source was tried: images were restored from it alone, and compared.
///
/// ```
/// drill   remote | volume     the name of a remote, or the ordinal of a volume
///         images              how many should be there
///         listed, seen        of these: found in a listing; with the hash that the server said
///         restored, decoded   fetched and hashed; with pixels that could be decoded
///         faults              how many things did not fit
///         report              SHA-256 of the report, which ARCHIVE/drills keeps
/// ```
struct DrillEvent: RecordBody, Equatable {
    var source: DrillSource
    var images: Int64
    var listed: Int64
    var seen: Int64
    var restored: Int64
    var decoded: Int64
    var faults: Int64
    var report: Digest

    static let kind = "drill"

    init(_ report: DrillReport, digest: Digest) {
        source = report.drilled
        (images, listed, seen) = (report.images, report.listed, report.hashSeen)
        (restored, decoded) = (report.restored, report.decoded)
        (faults, self.report) = (report.failureCount, digest)
    }

    init(
        of source: DrillSource, images: Int64, listed: Int64, seen: Int64, restored: Int64,
        decoded: Int64, faults: Int64, report: Digest
    ) {
        (self.source, self.images, self.listed, self.seen) = (source, images, listed, seen)
        (self.restored, self.decoded, self.faults) = (restored, decoded, faults)
        self.report = report
    }

    var fields: JSONObject {
        var fields = JSONObject()
        switch source {
        case .remote(let name): fields.append("remote", .string(name))
        case .volume(let ordinal): fields.append("volume", .int(Int64(ordinal)))
        }
        let numbers = [
            ("images", images), ("listed", listed), ("seen", seen), ("restored", restored),
            ("decoded", decoded), ("faults", faults),
        ]
        for (key, number) in numbers { fields.append(key, .int(number)) }
        fields.append("report", JSONValue(report))
        return fields
    }

    init(_ fields: RecordFields) throws(RecordError) {
        if let name = try fields.optional("remote", \.string) {
            source = .remote(name)
        } else {
            source = .volume(try fields.required("volume", \.ordinal))
        }
        images = try fields.required("images", \.count)
        listed = try fields.required("listed", \.count)
        seen = try fields.required("seen", \.count)
        restored = try fields.required("restored", \.count)
        decoded = try fields.required("decoded", \.count)
        faults = try fields.required("faults", \.count)
        report = try fields.required("report", \.digest)
    }
}
