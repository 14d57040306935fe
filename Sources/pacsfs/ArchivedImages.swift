import Archive
import Foundation
import FuseServer
import Storage
import TagIndex

/// The images that somebody means by a path in the mount, a UID, a SHA-256 or any other file.
enum ArchivedImages {
    /// - returns: their `instance.id`; none when the archive has no such image
    /// - throws: ``ArchiveError`` when `what` is a file that is no image and cannot be one
    static func named(_ what: String, _ reader: IndexReader, archive: String) throws -> [Int64] {
        var status = stat()
        if lstat(what, &status) == 0 {
            if let shown = try shown(at: what, status, reader, archive: archive) { return shown }
            return try file(what, status, reader)
        }
        if let digest = Digest(hex: what) {
            return try reader.instance(sha256: digest.bytes).map { [$0] } ?? []
        }
        let byUID = try reader.instances(sopInstanceUID: what)
        return try byUID.isEmpty ? reader.instances(seriesOrStudyUID: what) : byUID
    }

    /// Why there is no such image: a file that is not there is no image that is not archived.
    static func absence(of what: String, archive: String) -> String {
        var status = stat()
        let isFound = lstat(what, &status) == 0
        let reason = errno
        let isUID =
            !what.isEmpty
            && what.utf8.allSatisfy {
                UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 || $0 == UInt8(ascii: ".")
            }
        if isFound || isUID || Digest(hex: what) != nil {
            return "«\(what)» is not in the archive \(archive)."
        }
        guard reason == ENOENT || reason == ENOTDIR else {
            return "\(what) cannot be read: \(String(cString: strerror(reason)))."
        }
        return "There is no file «\(what)», and it is neither a UID nor a SHA-256."
    }

    /// The image or images that a path in the mount shows; `nil` for any other path.
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

    private static func file(_ path: String, _ status: stat, _ reader: IndexReader) throws
        -> [Int64]
    {
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw ArchiveError(.notFound, "\(path) is no image and no folder of a view.")
        }
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw ArchiveError(
                .notFound, "\(path) cannot be read: \(String(cString: strerror(errno))).")
        }
        defer { close(descriptor) }
        let digest = try Digest.of(descriptor: descriptor, bytes: Int64(status.st_size), path: path)
        return try reader.instance(sha256: digest.bytes).map { [$0] } ?? []
    }
}
