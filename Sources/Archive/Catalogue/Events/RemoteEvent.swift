import JSON

/// A place away from this machine is used from now on, is not used any more, or is believed to be
/// empty.
///
/// ```
/// remote   op, remote, id, cipher, hash   add; cipher and hash only where there is one
///          op, remote                     remove, forget
/// ```
enum RemoteEvent: RecordBody, Equatable {
    /// Images are brought there from now on.
    ///
    /// - id: A UUID. A remote that is removed and added again has another.
    /// - cipher: How objects are encrypted; `nil` when they are not.
    /// - hash: The kind of hash that the server keeps; `nil` when it keeps none.
    case add(String, id: String, cipher: Cipher?, hash: String?)
    /// It is not used any more. What lies there is not believed to be there.
    case remove(String)
    /// Nothing is believed to be there until it is proven again.
    case forget(String)

    /// A way to encrypt.
    enum Cipher: String, Sendable {
        /// See: https://rclone.org/crypt
        case rclone = "rclone-crypt"
    }

    static let kind = "remote"

    /// Its name.
    var remote: String {
        switch self {
        case .add(let remote, _, _, _), .remove(let remote), .forget(let remote): remote
        }
    }

    var fields: JSONObject {
        switch self {
        case .add(let remote, let id, let cipher, let hash):
            var fields: JSONObject = ["op": "add", "remote": .string(remote), "id": .string(id)]
            if let cipher { fields.append("cipher", .string(cipher.rawValue)) }
            if let hash { fields.append("hash", .string(hash)) }
            return fields
        case .remove(let remote): return ["op": "remove", "remote": .string(remote)]
        case .forget(let remote): return ["op": "forget", "remote": .string(remote)]
        }
    }

    init(_ fields: RecordFields) throws(RecordError) {
        let remote = try fields.required("remote", \.string)
        let operation = try fields.required("op", \.string)
        switch operation {
        case "add":
            var cipher: Cipher?
            if let word = try fields.optional("cipher", \.string) {
                cipher = Cipher(rawValue: word)
                guard cipher != nil else {
                    throw .unknown("is of the kind \"remote\" and has the cipher \"\(word)\"")
                }
            }
            self = .add(
                remote, id: try fields.required("id", \.string), cipher: cipher,
                hash: try fields.optional("hash", \.string))
        case "remove": self = .remove(remote)
        case "forget": self = .forget(remote)
        default: throw .unknown("is of the kind \"remote\" and has the op \"\(operation)\"")
        }
    }
}
