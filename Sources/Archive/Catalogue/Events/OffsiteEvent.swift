import JSON
import Offsite
import Storage

/// An object lies on a remote, proven: it was compared after it went there, and the server lists
/// it.
///
/// ```
/// offsite   remote, object, bytes,
///           as        its name on the server, where the remote is encrypted
///           hash      what the server says of its content, where it says something
///           until     the time before which nobody can delete it, where it is locked
///           through   the last record that it has, of a piece of the ledger
///           blobs     [[sha256, offset]], of a pack
/// ```
struct OffsiteEvent: RecordBody, Equatable {
    /// A blob, and where it begins in its object.
    struct Blob: Hashable, Sendable {
        var digest: Digest
        var offset: Int64
    }

    var remote: String
    /// Its name below the remote's path, before it is encrypted.
    var object: String
    /// Its size before it is encrypted.
    var bytes: Int64
    var serverName: String?
    var hash: String?
    var lockedUntil: Timestamp?
    var through: Int64?
    /// The blobs of a pack.
    var packed: [Blob] = []

    static let kind = "offsite"

    init(_ object: String, bytes: Int64, on remote: String) {
        self.remote = remote
        self.object = object
        self.bytes = bytes
    }

    /// The blobs that lie in it.
    var blobs: [Blob] {
        if let digest = Pack.digest(ofBlobName: object) { return [Blob(digest: digest, offset: 0)] }
        return packed
    }

    var fields: JSONObject {
        var fields: JSONObject = [
            "remote": .string(remote), "object": .string(object), "bytes": .int(bytes),
        ]
        if let serverName { fields.append("as", .string(serverName)) }
        if let hash { fields.append("hash", .string(hash)) }
        if let lockedUntil { fields.append("until", .string("\(lockedUntil)")) }
        if let through { fields.append("through", .int(through)) }
        if !packed.isEmpty {
            fields.append(
                "blobs",
                .array(packed.map { .array([JSONValue($0.digest), .int($0.offset)]) }))
        }
        return fields
    }

    init(_ fields: RecordFields) throws(RecordError) {
        remote = try fields.required("remote", \.string)
        object = try fields.required("object", \.string)
        bytes = try fields.required("bytes", \.count)
        serverName = try fields.optional("as", \.string)
        hash = try fields.optional("hash", \.string)
        lockedUntil = try fields.optional("until") { $0.string.flatMap { Timestamp($0) } }
        through = try fields.optional("through", \.count)
        packed =
            try fields.optional("blobs") { value in
                value.array?.all { pair in
                    guard let pair = pair.array, pair.count == 2, let digest = pair[0].digest,
                        let offset = pair[1].count
                    else { return nil }
                    return Blob(digest: digest, offset: offset)
                }
            } ?? []
    }
}
