import Archive
import Glibc
import Storage
import System
import TagIndex

/// The images that are meant by an argument: a path in the mount, a UID, a SHA-256 or any other
/// file.
enum ArchivedImages {
    /// - Returns: Their `instance.id`; none when the archive has no such image.
    /// - Throws: ``CommandError`` when `what` is a file that cannot be an image, and what a read of
    ///   the index throws.
    static func named(_ what: String, _ reader: IndexReader, archive: String) throws -> [Int64] {
        var status = stat()
        if lstat(what, &status) == 0 {
            if let shown = try shown(at: what, status, reader, archive: archive) { return shown }
            return try file(what, FileFacts(status), reader)
        }
        if let digest = Digest(hex: what) {
            return try reader.instance(sha256: digest.bytes).map { [$0] } ?? []
        }
        let byUID = try reader.instances(sopInstanceUID: what)
        return try byUID.isEmpty ? reader.instances(seriesOrStudyUID: what) : byUID
    }

    /// Why ``named(_:_:archive:)`` has found nothing: there is no such file at all, or it is not in
    /// the archive.
    static func absence(of what: String, archive: String) -> String {
        let isUID =
            !what.isEmpty
            && what.utf8.allSatisfy {
                UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 || $0 == UInt8(ascii: ".")
            }
        if isUID || Digest(hex: what) != nil {
            return "\"\(what)\" is not in the archive \(archive)."
        }
        do throws(Errno) {
            var status = stat()
            try systemCall { lstat(what, &status) }
            return "\"\(what)\" is not in the archive \(archive)."
        } catch {
            guard error.code == ENOENT || error.code == ENOTDIR else {
                return "\(what) cannot be read: \(error)."
            }
            return "There is no file \"\(what)\", and it is neither a UID nor a SHA-256."
        }
    }

    /// The images that a path in the mount shows; `nil` for any other path.
    ///
    /// - Throws: What a read of the index throws.
    static func shown(at path: String, _ status: stat, _ reader: IndexReader, archive: String)
        throws -> [Int64]?
    {
        let path = Paths.absolute(path)
        guard let root = Paths.mountpoint(of: archive), AbsolutePath.isInside(path, root) else {
            return nil
        }
        switch InodeNumber(rawValue: UInt64(status.st_ino)) {
        case .instance(let id): return [id]
        case .node(let id): return try reader.instances(below: id)
        case .study(let id): return try reader.instances(ofStudy: id)
        case .series(let id): return try reader.instances(ofSeries: id)
        default: return nil
        }
    }

    private static func file(_ path: String, _ facts: FileFacts, _ reader: IndexReader) throws
        -> [Int64]
    {
        guard facts.isRegular else {
            throw CommandError(
                .wrongArgument, "\(path) is neither an image nor a folder of a view",
                remedy: "Name an image file, or a path in the mount.")
        }
        let file: Descriptor
        do throws(Errno) {
            file = try Descriptor(opening: path, O_RDONLY | O_NOCTTY | O_NONBLOCK)
        } catch {
            throw CommandError.unreadable(path, error)
        }
        let digest = try Digest.of(descriptor: file.number, bytes: facts.bytes, path: path)
        return try reader.instance(sha256: digest.bytes).map { [$0] } ?? []
    }
}
