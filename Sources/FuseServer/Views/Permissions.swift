import Archive
import Glibc

/// Permissions to see the archive and to add to it: the modes and groups that the mount shows. The
/// kernel enforces them (`default_permissions`, mount.fuse3(8)). Things that nobody may do, such as
/// changing an archived image, are refused by the requests themselves.
public struct Permissions: Sendable {
    /// The group that sees views; `nil` for everybody.
    let readers: gid_t?
    /// The group that writes to `/incoming`; `nil` for everybody.
    let writers: gid_t?
    /// The user of the daemon.
    let owner: (uid: uid_t, gid: gid_t) = (geteuid(), getegid())

    /// Everybody sees everything, and may add.
    public static let everybody = Permissions(readers: nil, writers: nil)

    init(readers: gid_t?, writers: gid_t?) {
        self.readers = readers
        self.writers = writers
    }

    /// The permissions from `readers` and `writers` of the configuration. Without `writers`,
    /// everybody who may read may add.
    ///
    /// - Parameter file: The configuration, for messages.
    /// - Throws: ``ArchiveError`` with the name of a group that this system does not know.
    public init(_ settings: Settings, file: String) throws(ArchiveError) {
        readers = try settings.readers?.number(in: file, as: "readers")
        // Files waiting in `/incoming` are as private as archived images.
        writers = try settings.writers?.number(in: file, as: "writers") ?? readers
    }

    /// The group that may keep and forget searches, where modes cannot say so: they know of one
    /// group, and `/search` is that of the readers.
    var keepersAmongReaders: gid_t? { readers == nil || readers == writers ? nil : writers }

    /// The kinds of names that the mount shows.
    enum Subject {
        case root, readme
        /// A directory of a view, or one that a search answers with.
        case view
        case image
        /// `/search` itself, in which searches are kept.
        case search
        /// The root of `/incoming`. Files in it have the modes that their clients gave them.
        case incoming
        /// A directory of `/rejected`: who may add may move a file from there, to try it again.
        case rejectedDirectory
        case rejectedFile
    }

    /// Sets type, permissions and group of `status` to those of `subject`; the owner is that of
    /// the daemon.
    func apply(_ subject: Subject, to status: inout stat) {
        status.st_mode = mode(of: subject)
        status.st_uid = owner.uid
        status.st_gid = group(of: subject) ?? owner.gid
    }

    private func group(of subject: Subject) -> gid_t? {
        switch subject {
        case .root, .readme, .view, .image: readers
        case .search: readers ?? writers
        case .incoming: writers
        case .rejectedDirectory, .rejectedFile: writers ?? readers
        }
    }

    private func mode(of subject: Subject) -> mode_t {
        let isForAll = group(of: subject) == nil
        return switch subject {
        // Others may pass, to reach `/incoming`.
        case .root: S_IFDIR | (isForAll ? 0o555 : 0o551)
        case .view: S_IFDIR | (isForAll ? 0o555 : 0o550)
        case .readme, .image, .rejectedFile: S_IFREG | (isForAll ? 0o444 : 0o440)
        // Without readers everybody looks, and who may add images keeps searches.
        case .search: S_IFDIR | (isForAll ? 0o777 : readers == nil ? 0o775 : 0o770)
        case .rejectedDirectory: S_IFDIR | (isForAll ? 0o777 : 0o770)
        // Sticky: no user can remove the files of another. With a group, new entries belong to the
        // group (inode(7), S_ISGID).
        case .incoming: S_IFDIR | (isForAll ? 0o1777 : 0o3770)
        }
    }
}
