import CFuse3
import Glibc
import System

// Opening by number, and letting go.
extension FileSystem {
    /// The image that OPEN is about: `instance.id`; `nil` when it is about something else.
    ///
    /// - Throws: EROFS when it is to be written to.
    func image(toOpen number: UInt64, flags: Int32) throws(Errno) -> Int64? {
        guard case .image(let id) = try inode(number) else { return nil }
        try Self.requireReading(flags)
        return id
    }

    /// Root may do what modes forbid, so they are not enough.
    private static func requireReading(_ flags: Int32) throws(Errno) {
        guard flags & O_ACCMODE == O_RDONLY, flags & O_TRUNC == 0 else { throw Errno(EROFS) }
    }

    /// Opens anything but an image.
    ///
    /// - Parameter share: Of the user in what is open.
    func open(
        _ number: UInt64, flags: Int32, share: UserShares.Place? = nil
    ) throws(Errno) -> OpenObject.Kind {
        let inode = try inode(number)
        if case .tree(let tree) = inode {
            if let incoming = tree as? IncomingTree {
                return .file(try incoming.open(number, flags: flags, share: share))
            }
            guard let rejected = tree as? RejectedTree else { throw Errno(ESTALE) }
            return .rejected(try rejected.open(number, flags: flags))
        }
        try Self.requireReading(flags)
        switch inode {
        case .fixed(let entry):
            if let kind = entry.document { return .document(documents.make(kind)) }
            guard let text = entry.text else { throw Errno(EISDIR) }
            return .text(text, keepsCache: true)
        case .search(.note(let folder)):
            guard let note = try note(in: folder) else { throw Errno(ESTALE) }
            return .text(note.text, keepsCache: false)
        default: throw Errno(EISDIR)
        }
    }

    /// RELEASE and RELEASEDIR.
    ///
    /// - Parameter handle: The number that OPEN, CREATE or OPENDIR was answered with.
    func release(_ handle: UInt64) {
        switch OpenObject.close(handle) {
        case .image(let image): images.close(image)
        case .file(let file): file.tree.release(file)
        case .text, .document, .rejected, .directory, nil: break
        }
    }

    func forget(_ number: UInt64, count: UInt64) {
        switch try? inode(number) {
        case .tree(let tree): tree.forget(number, count: count)
        case .search(.folder(let folder)): passingSearches.forget(folder, count: count)
        default: break
        }
    }
}
