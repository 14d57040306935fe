import DICOM
import JSON
import Naming
import Storage
import TagIndex

// The records of the ledger that concern images. Of an image only what differs from the
// first image of its series is written: most lines stay below 400 bytes.
//
//   series     id, paths [view/level/…], a {keyword: value}
//   ingest     sha256, bytes, series, name, uidname (when it is not <SOPInstanceUID>.dcm),
//              uid (SOPInstanceUID), on [volume], flags (when not 0), from, same (sha256 of an
//              earlier image with the same data set, when there is one), a {differences}
//   duplicate  sha256, from, healed [volume] (when copies had to be replaced),
//              verified [volume] (when copies were read, and are good)
//   reject     sha256, bytes, path, from, reason
//   views      {name: template}: those that are shown from here on, in this order
//   paths      view, template, through, paths [[series, level/level/…]]: where series that came
//              before are shown in a view; through is the last series that was looked at

extension AttributeSet {
    /// - parameter left: an attribute that is written elsewhere in the record
    fileprivate func json(without left: Attribute? = nil) -> JSONValue {
        .object(
            JSONObject(
                entries.filter { $0.attribute != left }.map {
                    .init($0.attribute.keyword, $0.value.map(JSONValue.string) ?? .null)
                }))
    }

    fileprivate init(_ object: JSONObject) {
        self.init()
        for member in object.members {
            if let attribute = Attribute(keyword: member.key) {
                self[attribute] = member.value.string
            }
        }
    }
}

extension SeriesRecord {
    func entry(by actor: String) -> LedgerEntry {
        LedgerEntry(
            kind: "series", by: actor, time: Timestamp(nanoseconds: created),
            body: JSONObject([
                .init("id", .int(id)),
                .init("paths", .array(paths.map { .string($0.joined(separator: "/")) })),
                .init("a", attributes.json()),
            ]))
    }

    init?(_ entry: LedgerEntry) {
        guard let id = entry.body["id"]?.int, let paths = entry.body["paths"]?.array,
            let attributes = entry.body["a"]?.object
        else { return nil }
        self.init(
            id: id, created: entry.time.nanoseconds, attributes: AttributeSet(attributes),
            paths: paths.compactMap { $0.string?.split(separator: "/").map(String.init) })
    }
}

extension InstanceRecord {
    /// - parameter sopInstanceUID: that of the image, `nil` when it has none
    func entry(by actor: String, sopInstanceUID: String?) -> LedgerEntry {
        var body = JSONObject([
            .init("sha256", .string(Digest(bytes: sha256)?.hex ?? "")),
            .init("bytes", .int(bytes)),
            .init("series", .int(series)),
            .init("name", .string(name)),
        ])
        if let sopInstanceUID { body.append("uid", .string(sopInstanceUID)) }
        if uidName != Self.plainUIDName(sopInstanceUID) { body.append("uidname", .string(uidName)) }
        body.append("on", .array(volumes.map { .int(Int64($0)) }))
        if flags != 0 { body.append("flags", .int(flags)) }
        body.append("from", .string(source))
        if let same = same.flatMap({ Digest(bytes: $0) }) { body.append("same", .string(same.hex)) }
        let differences = difference.json(without: .sopInstanceUID)
        if differences != .object(JSONObject()) { body.append("a", differences) }
        return LedgerEntry(
            kind: "ingest", by: actor, time: Timestamp(nanoseconds: received), body: body)
    }

    /// - parameters:
    ///   - id: the number the image gets: images are numbered in the order of the ledger
    ///   - base: the attributes of the first image of the series
    init?(_ entry: LedgerEntry, id: Int64, base: (Int64) throws -> AttributeSet) rethrows {
        let body = entry.body
        guard let sha256 = body["sha256"]?.string.flatMap({ Digest(hex: $0) }),
            let bytes = body["bytes"]?.int,
            let series = body["series"]?.int, let name = body["name"]?.string,
            let volumes = body["on"]?.array?.compactMap({ $0.int.map(Int.init) })
        else { return nil }
        var difference = AttributeSet(body["a"]?.object ?? JSONObject())
        let uid = body["uid"]?.string
        if try base(series)[.sopInstanceUID] != uid { difference[.sopInstanceUID] = uid }
        self.init(
            id: id, series: series, sha256: sha256.bytes, bytes: bytes,
            received: entry.time.nanoseconds,
            name: name, uidName: body["uidname"]?.string ?? Self.plainUIDName(uid),
            flags: body["flags"]?.int ?? 0, source: body["from"]?.string ?? "", volumes: volumes,
            difference: difference, same: body["same"]?.string.flatMap { Digest(hex: $0) }?.bytes)
    }

    private static func plainUIDName(_ uid: String?) -> String {
        var attributes = AttributeSet()
        attributes[.sopInstanceUID] = uid
        return FileName.sopInstance(attributes)
    }
}

extension RejectRecord {
    func entry(by actor: String) -> LedgerEntry {
        LedgerEntry(
            kind: "reject", by: actor, time: Timestamp(nanoseconds: time),
            body: JSONObject([
                .init("sha256", .string(Digest(bytes: sha256)?.hex ?? "")),
                .init("bytes", .int(bytes)),
                .init("path", .string(path)),
                .init("from", .string(source)),
                .init("reason", .string(reason)),
            ]))
    }

    init?(_ entry: LedgerEntry) {
        let body = entry.body
        guard let sha256 = body["sha256"]?.string.flatMap({ Digest(hex: $0) }),
            let bytes = body["bytes"]?.int,
            let path = body["path"]?.string
        else { return nil }
        self.init(
            sha256: sha256.bytes, bytes: bytes, path: path, source: body["from"]?.string ?? "",
            reason: body["reason"]?.string ?? "", time: entry.time.nanoseconds)
    }
}

extension PathsRecord {
    func entry(by actor: String) -> LedgerEntry {
        LedgerEntry(
            kind: "paths", by: actor, time: Timestamp(nanoseconds: time),
            body: JSONObject([
                .init("view", .string(view.name)),
                .init("template", .string(view.template.description)),
                .init("through", .int(through)),
                .init(
                    "paths",
                    .array(
                        paths.map {
                            .array([.int($0.series), .string($0.path.joined(separator: "/"))])
                        })),
            ]))
    }

    init?(_ entry: LedgerEntry) {
        let body = entry.body
        guard let name = body["view"]?.string, let text = body["template"]?.string,
            let template = try? Template(text), let through = body["through"]?.int,
            let list = body["paths"]?.array
        else { return nil }
        let paths = list.compactMap { pair -> (series: Int64, path: [String])? in
            guard let pair = pair.array, pair.count == 2, let series = pair[0].int,
                let path = pair[1].string
            else { return nil }
            return (series, path.split(separator: "/").map(String.init))
        }
        guard paths.count == list.count else { return nil }
        self.init(
            view: View(name: name, template: template), through: through,
            time: entry.time.nanoseconds, paths: paths)
    }
}

extension View {
    /// What a `views` record says.
    static func record(_ views: [View]) -> JSONObject {
        JSONObject(views.map { .init($0.name, .string($0.template.description)) })
    }

    /// The views of such a record; `nil` when it is none.
    static func list(_ body: JSONObject) -> [View]? {
        let views = body.members.compactMap { member in
            member.value.string.flatMap { try? Template($0) }.map {
                View(name: member.key, template: $0)
            }
        }
        return views.count == body.members.count ? views : nil
    }
}
