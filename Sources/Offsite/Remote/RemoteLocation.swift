import System

/// Where a remote is: what rclone has to know about it, and a path there.
public struct RemoteLocation: Hashable, Sendable {
    /// The options of rclone's configuration, `type` among them; passwords are obscured.
    public var options: [String: String]
    /// Below the remote's root, without a slash at the end: `bucket/site`, or `/mnt/nas/images`.
    public var path: String

    public init(options: [String: String], path: String) {
        self.options = options
        self.path = Self.trimmed(path)
    }

    /// A remote as a user writes it.
    public enum Written: Hashable, Sendable {
        /// A folder of this machine, such as a mounted share.
        case folder(String)
        /// A section of rclone's own configuration, and a path.
        case section(String, path: String)
        /// A connection string, which says everything.
        case complete(RemoteLocation)

        /// Reads `/mnt/nas/images`, `b2:bucket/images` or `:webdav,url="https://…":images`.
        ///
        /// - Throws: `configuration` for anything else.
        public init(_ text: String) throws(OffsiteError) {
            if text.hasPrefix("/") {
                self = .folder(text)
            } else if text.hasPrefix(":") {
                self = .complete(try RemoteLocation(connection: text))
            } else if let colon = text.firstIndex(of: ":"), colon > text.startIndex {
                self = .section(
                    String(text[..<colon]), path: String(text[text.index(after: colon)...]))
            } else {
                throw OffsiteError(
                    .configuration, "\"\(text)\" is not a remote of rclone",
                    remedy: "Write NAME:PATH as rclone does, or the absolute path of a folder.")
            }
        }
    }

    /// A folder of this machine.
    public init(folder: String) { self.init(options: ["type": "local"], path: folder) }

    /// Reads `:TYPE,option=value,option="value, with a comma":PATH`. An option without a value is
    /// `true`.
    private init(connection text: String) throws(OffsiteError) {
        var rest = text.dropFirst()
        func next(until ends: Set<Character>) throws(OffsiteError) -> String {
            var word = ""
            var quote: Character?
            while let character = rest.first {
                if let open = quote {
                    rest.removeFirst()
                    if character != open {
                        word.append(character)
                    } else if rest.first == open {
                        // A doubled quote stands for itself.
                        word.append(rest.removeFirst())
                    } else {
                        quote = nil
                    }
                } else if ends.contains(character) {
                    return word
                } else if character == "\"" || character == "'", word.isEmpty {
                    quote = rest.removeFirst()
                } else {
                    word.append(rest.removeFirst())
                }
            }
            throw OffsiteError(
                .configuration, "\"\(text)\" does not end its options with a colon",
                remedy: "Write :TYPE,option=value:PATH.")
        }
        var options = ["type": try next(until: [",", ":"])]
        while rest.first == "," {
            rest.removeFirst()
            let key = try next(until: ["=", ",", ":"])
            var value = "true"
            if rest.first == "=" {
                rest.removeFirst()
                value = try next(until: [",", ":"])
            }
            options[key] = value
        }
        rest.removeFirst()
        self.init(options: options, path: String(rest))
    }

    /// The kind of storage: `local`, `s3`, `sftp` and so on.
    public var type: String { options["type"] ?? "" }

    /// Kinds that only change or combine other remotes. What they stand on would have to come with
    /// them on the recovery sheet, and their listing says nothing about the server's.
    private static let wrappers: Set = [
        "alias", "cache", "chunker", "combine", "compress", "crypt", "hasher", "union",
    ]

    /// - Throws: `configuration` when nothing can be kept there.
    public func check() throws(OffsiteError) {
        if type.isEmpty || path.contains("\n") {
            throw OffsiteError(
                .configuration, "The remote has no type, or a path of several lines",
                remedy: "See \"rclone config\".")
        }
        if Self.wrappers.contains(type) {
            throw OffsiteError(
                .configuration, "A remote of type \(type) stands on another remote",
                remedy: "Name that one. For encryption, use --encrypt.")
        }
        if type == "local", !path.hasPrefix("/") {
            throw OffsiteError(
                .configuration, "The folder of a local remote must be an absolute path", path: path,
                remedy: "Write the path from / on.")
        }
    }

    private static func trimmed(_ path: String) -> String {
        var path = path
        while path.count > 1, path.hasSuffix("/") { path.removeLast() }
        return path
    }
}
