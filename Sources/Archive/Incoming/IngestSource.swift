import Storage

/// Where a file comes from that is archived or set aside. Its text is what the ledger records and
/// messages say.
public indirect enum IngestSource: Hashable, Sendable, CustomStringConvertible {
    /// A file of `/incoming`, by its path there.
    case incoming(String)
    /// A file outside the archive, by its absolute path, and its path below `/rejected/<date>` if
    /// it is set aside.
    case file(String, rejectedPath: String)
    /// A whole file that an earlier run left in `staging/commit`, and that has no other name.
    case recovered(Digest)
    /// A member of a zip archive, by its path in there.
    case member(String, of: IngestSource)

    /// A file of `/incoming`. Names are bytes; those that are not UTF-8 are shown as well as can
    /// be.
    public static func incoming(_ path: [UInt8]) -> IngestSource {
        .incoming(String(decoding: path, as: UTF8.self))
    }

    /// For messages: as ``description``, without the middle of a very long path.
    public var shown: String {
        let text = description
        return text.utf8.count <= 1000 ? text : "\(text.prefix(300))…\(text.suffix(300))"
    }

    public var description: String {
        switch self {
        case .incoming(let path): "incoming/" + path
        case .file(let path, _): path
        case .recovered(let digest): "recovered/\(digest.hex).dcm"
        case .member(let path, let archive): "\(archive)/\(path)"
        }
    }

    /// Where the file goes below `/rejected/<date>` if it is set aside.
    public var rejectedPath: String {
        switch self {
        case .incoming(let path), .file(_, let path): path
        case .recovered(let digest): digest.hex + ".dcm"
        case .member(let path, let archive): archive.rejectedPath + "/" + path
        }
    }
}
