import Archive
import Glibc

/// The modes and groups that the mount shows, by which the kernel decides who may see the archive
/// and who may add to it (`default_permissions`). What nobody may do, such as changing an archived
/// image, is refused by the requests themselves.
///
/// See: 'man 8 mount.fuse3'
public struct Permissions: Sendable {
    /// The group that sees views; `nil` for everybody.
    let readers: gid_t?
    /// The group that writes to `/incoming`; `nil` for everybody.
    let writers: gid_t?
    /// The user and group that the daemon runs as.
    let owner: (uid: uid_t, gid: gid_t) = (geteuid(), getegid())

    /// Everybody may see the archive and add to it.
    public static let everybody = Permissions(readers: nil, writers: nil)

    init(readers: gid_t?, writers: gid_t?) {
        self.readers = readers
        self.writers = writers
    }

    /// The `readers` and `writers` of the configuration. Without `writers` all readers may add.
    ///
    /// - Parameter file: The configuration, for messages.
    /// - Throws: ``ArchiveError`` that names a group which this system does not have.
    public init(_ settings: Settings, file: String) throws(ArchiveError) {
        readers = try settings.readers?.number(in: file, as: "readers")
        // Files that wait in `/incoming` are as private as archived ones.
        writers = try settings.writers?.number(in: file, as: "writers") ?? readers
    }

    /// The group that may keep and forget searches, where a mode cannot say so: it is about one
    /// group, and that of `/search` is the readers.
    var keepersAmongReaders: gid_t? { readers == nil || readers == writers ? nil : writers }

    /// The kinds of names that the mount shows.
    enum Subject {
        case root, readme
        /// A directory of a view or of a search's results.
        case view
        case image
        /// `/search` itself, in which searches are kept.
        case search
        /// The root of `/incoming`. Its content has the modes that clients give it.
        case incoming
        /// A directory of `/rejected`: writers may move a file from there, to try it again.
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

    /// Sets what is shown of a file of `/rejected`: at most what its owner allowed, who can read it
    /// still. Where there are groups, that of the writers stands for the file's own.
    ///
    /// - Parameter status: Of the file on the volume; changed in place.
    func applyToRejected(_ status: inout stat) {
        let (mode, owner, group) = (status.st_mode, status.st_uid, status.st_gid)
        apply(.rejectedFile, to: &status)
        var bits = mode
        if let shown = self.group(of: .rejectedFile) {
            // To another group the file showed what others see.
            if group != shown { bits = bits & ~0o040 | (bits & 0o004) << 3 }
        } else {
            status.st_gid = group
        }
        status.st_uid = owner
        status.st_mode = S_IFREG | (status.st_mode & bits & 0o777)
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
        // Others may pass through it to `/incoming`.
        case .root: S_IFDIR | (isForAll ? 0o555 : 0o551)
        case .view: S_IFDIR | (isForAll ? 0o555 : 0o550)
        case .readme, .image, .rejectedFile: S_IFREG | (isForAll ? 0o444 : 0o440)
        // Without readers everybody may look; writers keep searches.
        case .search: S_IFDIR | (isForAll ? 0o777 : readers == nil ? 0o775 : 0o770)
        case .rejectedDirectory: S_IFDIR | (isForAll ? 0o777 : 0o770)
        // Sticky: nobody can remove the file of another. With a group, new files are the group's
        // (inode(7), S_ISGID).
        case .incoming: S_IFDIR | (isForAll ? 0o1777 : 0o3770)
        }
    }
}
