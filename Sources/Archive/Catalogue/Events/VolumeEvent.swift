import JSON
import Storage

/// A volume joins the archive, leaves it, or changes its state.
///
/// ```
/// volume   op, volume                         retire, retired, failing, well
///          op, volume, id, domain, created    add
///          op, volume, successor              replace
/// ```
enum VolumeEvent: RecordBody, Equatable {
    /// It is a new volume, with the content of its identity file.
    case add(Int, id: String, domain: String, created: String)
    /// Its images are to be copied to the others.
    case retire(Int)
    /// It is empty, and has left the archive.
    case retired(Int)
    /// It is lost, and another volume has its place.
    case replace(Int, by: Int)
    /// Many of its copies were bad.
    case failing(Int)
    /// It was read whole, and all its copies are good.
    case well(Int)

    static let kind = "volume"

    static func add(_ identity: VolumeIdentity) -> VolumeEvent {
        .add(
            identity.ordinal, id: identity.volume, domain: identity.domain,
            created: identity.created)
    }

    /// The ordinal of the volume.
    var ordinal: Int {
        switch self {
        case .add(let ordinal, _, _, _), .retire(let ordinal), .retired(let ordinal),
            .replace(let ordinal, _), .failing(let ordinal), .well(let ordinal):
            ordinal
        }
    }

    /// Whether the volume has left the archive: nothing is expected on it from here on.
    var isDeparture: Bool {
        switch self {
        case .retired, .replace: true
        case .add, .retire, .failing, .well: false
        }
    }

    private var operation: String {
        switch self {
        case .add: "add"
        case .retire: "retire"
        case .retired: "retired"
        case .replace: "replace"
        case .failing: "failing"
        case .well: "well"
        }
    }

    var fields: JSONObject {
        var fields: JSONObject = ["op": .string(operation), "volume": .int(Int64(ordinal))]
        switch self {
        case .add(_, let id, let domain, let created):
            fields.append("id", .string(id))
            fields.append("domain", .string(domain))
            fields.append("created", .string(created))
        case .replace(_, let successor): fields.append("successor", .int(Int64(successor)))
        case .retire, .retired, .failing, .well: break
        }
        return fields
    }

    init(_ fields: RecordFields) throws(RecordError) {
        let ordinal = try fields.required("volume", \.ordinal)
        let operation = try fields.required("op", \.string)
        switch operation {
        case "add":
            self = .add(
                ordinal, id: try fields.required("id", \.string),
                domain: try fields.required("domain", \.string),
                created: try fields.required("created", \.string))
        case "retire": self = .retire(ordinal)
        case "retired": self = .retired(ordinal)
        case "replace": self = .replace(ordinal, by: try fields.required("successor", \.ordinal))
        case "failing": self = .failing(ordinal)
        case "well": self = .well(ordinal)
        default: throw .unknown("is of the kind \"volume\" and has the op \"\(operation)\"")
        }
    }
}
