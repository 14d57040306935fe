import JSON
import Storage

/// The fields of a record, read by key.
struct RecordFields {
    let object: JSONObject
    /// When the event happened.
    let time: Timestamp

    init(_ object: JSONObject, time: Timestamp) {
        self.object = object
        self.time = time
    }

    /// The value of a field; `nil` when it is missing.
    subscript(key: String) -> JSONValue? { object[key] }

    /// A field that may be missing, read by `read`.
    ///
    /// - Throws: ``RecordError/field(_:)`` when it is there and `read` gives `nil`.
    func optional<Value>(
        _ key: String, _ read: (JSONValue) -> Value?
    ) throws(RecordError) -> Value? {
        guard let value = object[key] else { return nil }
        guard let value = read(value) else { throw .field(key) }
        return value
    }

    /// A field that must be there, read by `read`.
    ///
    /// - Throws: ``RecordError/field(_:)`` when it is missing, or `read` gives `nil`.
    func required<Value>(
        _ key: String, _ read: (JSONValue) -> Value?
    ) throws(RecordError) -> Value {
        guard let value = try optional(key, read) else { throw .field(key) }
        return value
    }
}

// The types of fields that README, "Format 1", defines.
extension JSONValue {
    /// A number from 0.
    var count: Int64? { int.flatMap { $0 >= 0 ? $0 : nil } }

    /// The number of a volume in the archive, from 1.
    var ordinal: Int? { int.flatMap { $0 > 0 && $0 < Int32.max ? Int($0) : nil } }

    /// The numbers of volumes.
    var ordinals: [Int]? { array?.all { $0.ordinal } }

    /// A SHA-256 in hexadecimal.
    var digest: Digest? { string.flatMap { Digest(hex: $0) } }

    /// Names of directories, separated by "/".
    var path: [String]? { string?.split(separator: "/").map(String.init) }
}

extension [JSONValue] {
    /// Every element, read by `read`; `nil` when that gives `nil` for any.
    func all<Value>(_ read: (JSONValue) -> Value?) -> [Value]? {
        var values: [Value] = []
        values.reserveCapacity(count)
        for element in self {
            guard let value = read(element) else { return nil }
            values.append(value)
        }
        return values
    }
}

extension JSONValue {
    init(_ digest: Digest) { self = .string(digest.hex) }
    init(_ ordinals: [Int]) { self = .array(ordinals.map { .int(Int64($0)) }) }
    init(path: [String]) { self = .string(path.joined(separator: "/")) }
}
