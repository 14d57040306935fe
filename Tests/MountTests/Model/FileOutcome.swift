import Glibc

/// The answer of a file system.
enum FileOutcome: Equatable, CustomStringConvertible {
    case error(Int32)
    case done
    case number(Int)
    case bytes([UInt8])
    case status(FileStatus)
    case names([String])

    var description: String {
        switch self {
        case .error(let code): String(cString: strerror(code))
        case .done: "done"
        case .number(let number): "\(number)"
        case .bytes(let bytes):
            """
            \(bytes.count) bytes, \(bytes.prefix(4).map { String($0) }.joined(separator: " ")) \
            …, sum \(bytes.reduce(0) { $0 &+ Int($1) })
            """
        case .status(let status): "\(status)"
        case .names(let names): names.joined(separator: ", ")
        }
    }
}

/// The part of the answer of stat(2) that must be the same on both sides.
struct FileStatus: Equatable {
    var type: mode_t
    var mode: mode_t
    var uid: uid_t
    var gid: gid_t
    /// 0 for a folder: its size is the file system's own affair.
    var size: Int
    var links: UInt
    /// Seconds, where a program has set it and nothing was written since.
    var modified: Int?

    init(_ status: stat) {
        type = status.st_mode & S_IFMT
        mode = status.st_mode & 0o7777
        (uid, gid) = (status.st_uid, status.st_gid)
        let isFolder = type == S_IFDIR
        size = isFolder ? 0 : status.st_size
        links = isFolder ? 0 : UInt(status.st_nlink)
        // Times that the tests set lie years back.
        modified = !isFolder && status.st_mtim.tv_sec < 1_700_000_000 ? status.st_mtim.tv_sec : nil
    }
}
