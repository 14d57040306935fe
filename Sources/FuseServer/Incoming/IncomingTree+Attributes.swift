import Archive
import CFuse3
import Glibc
import System

extension IncomingTree {
    /// SETATTR: size, mode, owner and times.
    func setAttributes(
        _ number: UInt64, to wanted: stat, which: Int32
    ) throws(Errno) -> stat {
        let isDirectory = try locked { (contents) throws(Errno) in
            contents.touch(number, now: clock.now)
            return try contents.tree.node(number).isDirectory
        }
        let change = AttributeChange(wanted, which, isDirectory: isDirectory)
        if isDirectory {
            guard which & FUSE_SET_ATTR_SIZE == 0 else { throw Errno(EISDIR) }
            try apply(change, toDirectory: number)
        } else {
            if which & FUSE_SET_ATTR_SIZE != 0 { try truncate(number, to: wanted.st_size) }
            if !change.isEmpty { try apply(change, toFile: number) }
        }
        return try attributes(of: number)
    }

    private func apply(_ change: AttributeChange, toFile number: UInt64) throws(Errno) {
        try withTurn(of: number) { () throws(Errno) in
            let file = try locked { (contents) throws(Errno) -> IncomingFile in
                guard let file = contents.files[number] else { throw Errno(ESTALE) }
                return file
            }
            // An archived inode keeps its own; what is set then is remembered here.
            if file.holder == .writer {
                if let descriptor = file.descriptor {
                    try change.onDisk.apply(to: descriptor.number)
                } else {
                    try onDisk(number) { (folder, name) throws(Errno) in
                        try change.onDisk.apply(to: name, in: folder.descriptor)
                    }
                }
            }
            try locked { (contents) throws(Errno) in
                try contents.update(number) { file in
                    change.apply(to: &file.shown)
                    file.shown.st_ctim = Self.now
                }
            }
        }
    }

    private func apply(_ change: AttributeChange, toDirectory number: UInt64) throws(Errno) {
        let isRemoved = try locked { (contents) throws(Errno) in
            let final = try contents.tree.node(number).finalAttributes
            contents.tree.update(number) { node in
                if node.finalAttributes != nil { change.apply(to: &node.finalAttributes!) }
            }
            return final != nil
        }
        if isRemoved { return }
        let folder = try folder(number)
        try change.onDisk.apply(to: folder.descriptor)
        guard !Capabilities.canGiveFilesAway, change.uid != nil || change.gid != nil else { return }
        let shown = try attributesOfDirectory(folder)
        locked { contents in
            contents.tree.update(number) {
                $0.shownOwner = FileOwner(
                    uid: change.uid ?? shown.st_uid, gid: change.gid ?? shown.st_gid)
            }
        }
    }
}

/// What SETATTR changes besides the size.
struct AttributeChange {
    private(set) var mode: mode_t?
    private(set) var uid: uid_t?
    private(set) var gid: gid_t?
    private(set) var accessed: timespec?
    private(set) var modified: timespec?

    /// - Parameters:
    ///   - wanted: The attributes of the request.
    ///   - which: Those of them that count: FUSE_SET_ATTR_….
    init(_ wanted: stat, _ which: Int32, isDirectory: Bool) {
        // Files are never set-user-id or set-group-id: the mount is nosuid, and the kernel leaves
        // it to us to take such bits away when somebody else writes (``InitNegotiation``). The
        // daemon must be able to read whatever its clients make.
        if which & FUSE_SET_ATTR_MODE != 0 {
            mode = isDirectory ? wanted.st_mode & 0o7777 | 0o700 : wanted.st_mode & 0o1777 | 0o600
        }
        if which & FUSE_SET_ATTR_UID != 0 { uid = wanted.st_uid }
        if which & FUSE_SET_ATTR_GID != 0 { gid = wanted.st_gid }
        accessed = Self.time(wanted.st_atim, which, FUSE_SET_ATTR_ATIME, FUSE_SET_ATTR_ATIME_NOW)
        modified = Self.time(wanted.st_mtim, which, FUSE_SET_ATTR_MTIME, FUSE_SET_ATTR_MTIME_NOW)
    }

    private static func time(
        _ time: timespec, _ which: Int32, _ set: Int32, _ now: Int32
    ) -> timespec? {
        guard which & set != 0 else { return nil }
        return which & now != 0 ? IncomingTree.now : time
    }

    var isEmpty: Bool {
        mode == nil && uid == nil && gid == nil && accessed == nil && modified == nil
    }

    /// The part that the daemon can change on disk.
    var onDisk: AttributeChange {
        var change = self
        if !Capabilities.canGiveFilesAway { (change.uid, change.gid) = (nil, nil) }
        return change
    }

    func apply(to status: inout stat) {
        if let mode { status.st_mode = status.st_mode & S_IFMT | mode }
        if let uid { status.st_uid = uid }
        if let gid { status.st_gid = gid }
        if let accessed { status.st_atim = accessed }
        if let modified { status.st_mtim = modified }
    }

    // utimensat(2): UTIME_OMIT; a macro that is not imported.
    private static let omitted = timespec(tv_sec: 0, tv_nsec: (1 << 30) - 2)

    private var times: [timespec]? {
        accessed == nil && modified == nil
            ? nil : [accessed ?? Self.omitted, modified ?? Self.omitted]
    }

    /// - Throws: The errors of `fchmod(2)`, `fchown(2)` and `futimens(3)`.
    func apply(to descriptor: Int32) throws(Errno) {
        if let mode { try systemCall { fchmod(descriptor, mode) } }
        if uid != nil || gid != nil {
            try systemCall { fchown(descriptor, uid ?? .max, gid ?? .max) }
        }
        if let times { try systemCall { futimens(descriptor, times) } }
    }

    /// - Throws: The errors of `fchmodat(2)`, `fchownat(2)` and `utimensat(2)`.
    func apply(to name: [UInt8], in directory: Int32) throws(Errno) {
        if let mode { try systemCall { name.withCString { fchmodat(directory, $0, mode, 0) } } }
        if uid != nil || gid != nil {
            try systemCall {
                name.withCString {
                    fchownat(directory, $0, uid ?? .max, gid ?? .max, AT_SYMLINK_NOFOLLOW)
                }
            }
        }
        if let times {
            try systemCall {
                name.withCString { utimensat(directory, $0, times, AT_SYMLINK_NOFOLLOW) }
            }
        }
    }
}
