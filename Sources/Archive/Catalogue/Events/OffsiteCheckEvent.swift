import JSON
import Offsite

/// The whole listing of a remote was compared with what was recorded. All objects without a fault
/// are as they were.
///
/// ```
/// offsitecheck   remote, objects, good,
///                faults       [[object, fault]], when there are any
///                rolledback   how many of the newest are gone together, unless it is 0
///                part         from 2, when more faults are added to those of the record before
/// ```
struct OffsiteCheckEvent: RecordBody, Equatable {
    /// An object, and what is wrong with it.
    struct Fault: Hashable, Sendable {
        var object: String
        var fault: ObjectFault
    }

    var remote: String
    /// How many objects were recorded.
    var objects: Int64
    var good: Int64
    var faults: [Fault] = []
    var rolledBack: Int64 = 0
    /// From 1. A check with many faults is several records.
    var part: Int64 = 1

    static let kind = "offsitecheck"
    /// The most faults of one record: a batch of the ledger is bounded.
    static let mostFaults = 5_000

    init(_ remote: String, objects: Int64, good: Int64) {
        self.remote = remote
        self.objects = objects
        self.good = good
    }

    var fields: JSONObject {
        var fields: JSONObject = [
            "remote": .string(remote), "objects": .int(objects), "good": .int(good),
        ]
        if !faults.isEmpty { fields.append("faults", JSONValue(faults)) }
        if rolledBack > 0 { fields.append("rolledback", .int(rolledBack)) }
        if part > 1 { fields.append("part", .int(part)) }
        return fields
    }

    init(_ fields: RecordFields) throws(RecordError) {
        remote = try fields.required("remote", \.string)
        objects = try fields.required("objects", \.count)
        good = try fields.required("good", \.count)
        faults = try fields.faults(Self.kind)
        rolledBack = try fields.optional("rolledback", \.count) ?? 0
        part = try fields.optional("part", \.count) ?? 1
    }
}

/// What is wrong with an object on a remote.
public enum ObjectFault: String, Codable, Sendable, CaseIterable {
    /// It is not there.
    case missing
    /// It has fewer bytes.
    case truncated
    /// It has other bytes, as many or more.
    case changed
    /// It has the content of another object.
    case swapped
    /// The server said a hash before, and says none now.
    case unhashed
    /// The server has several objects of this name.
    case doubled
    /// It was fetched, and had other bytes than it should.
    case corrupt

    init(_ fault: PinComparison.Fault) {
        self =
            switch fault {
            case .missing: .missing
            case .truncated: .truncated
            case .changed: .changed
            case .swapped: .swapped
            case .hashGone: .unhashed
            case .doubled: .doubled
            }
    }
}

extension JSONValue {
    init(_ faults: [OffsiteCheckEvent.Fault]) {
        self = .array(faults.map { .array([.string($0.object), .string($0.fault.rawValue)]) })
    }
}

extension RecordFields {
    /// The field `faults`, which may be missing.
    func faults(_ kind: String) throws(RecordError) -> [OffsiteCheckEvent.Fault] {
        let pairs =
            try optional("faults") { value in
                value.array?.all { pair -> (object: String, word: String)? in
                    guard let pair = pair.array, pair.count == 2, let object = pair[0].string,
                        let word = pair[1].string
                    else { return nil }
                    return (object, word)
                }
            } ?? []
        var faults: [OffsiteCheckEvent.Fault] = []
        faults.reserveCapacity(pairs.count)
        for (object, word) in pairs {
            guard let fault = ObjectFault(rawValue: word) else {
                throw .unknown("is of the kind \"\(kind)\" and has the fault \"\(word)\"")
            }
            faults.append(.init(object: object, fault: fault))
        }
        return faults
    }
}
