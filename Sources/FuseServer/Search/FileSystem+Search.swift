import Archive
import CFuse3
import Glibc
import Naming
import System
import TagIndex

/// Something in `/search`.
enum SearchInode {
    /// `/search` itself, which lists the searches that are kept.
    case top
    /// The folder of a search, by its number.
    case folder(UInt64)
    /// The text in a folder that explains it, by the number of the folder.
    case note(UInt64)
    /// `study.id`, and the number of the folder.
    case study(Int64, search: UInt64)
    /// `series.id`, and the number of the folder.
    case series(Int64, search: UInt64)

    /// Its inode number towards the kernel.
    var number: UInt64 {
        switch self {
        case .top: FixedEntry.search.number
        case .folder(let number): InodeNumber.search(number).rawValue
        case .note(let number): InodeNumber.searchNote(number).rawValue
        case .study(let id, let search): InodeNumber.foundStudy(id, search: search).rawValue
        case .series(let id, let search): InodeNumber.foundSeries(id, search: search).rawValue
        }
    }

    /// Its inode number for programs, to which a study is the same in every search.
    var shownNumber: UInt64 {
        switch self {
        case .top, .folder, .note: number
        case .study(let id, _): InodeNumber.study(id).rawValue
        case .series(let id, _): InodeNumber.series(id).rawValue
        }
    }

    var isDirectory: Bool { if case .note = self { false } else { true } }
}

// Look-ups and listings of `/search`.
extension FileSystem {
    /// Seconds for which the kernel may keep names and attributes: results follow new images.
    static let searchTimeout = 1.0

    func entry(_ attributes: stat, of inode: SearchInode) -> fuse_entry_param {
        var entry = entry(attributes)
        entry.ino = inode.number
        entry.attr_timeout = Self.searchTimeout
        entry.entry_timeout = Self.searchTimeout
        return entry
    }

    /// The entry of an inode that is known by its number, as one more look-up.
    func entry(of inode: SearchInode) throws(Errno) -> fuse_entry_param {
        let entry = entry(try attributes(of: inode), of: inode)
        if case .folder(let number) = inode, number >= InodeNumber.firstPassingSearch {
            try passingSearches.look(up: number)
        }
        return entry
    }

    func attributes(of inode: SearchInode) throws(Errno) -> stat {
        func directory(_ subject: Permissions.Subject = .view, time: Int64?) throws(Errno) -> stat {
            guard let time else { throw Errno(ESTALE) }
            return attributes(subject, number: inode.shownNumber, size: 0, time: time, links: 1)
        }
        switch inode {
        case .top: return try directory(.search, time: searchesChanged.withLock { $0 })
        case .folder(let number):
            _ = try words(of: number)
            return try directory(
                time: Errno.from { try archive.index.read { max(try $0.lastReceived(), created) } })
        case .note(let number):
            guard let text = try note(in: number)?.text else { throw Errno(ESTALE) }
            return attributes(
                .readme, number: inode.number, size: Int64(text.count), time: created, links: 1)
        case .study(let id, _):
            return try directory(
                time: Errno.from { try archive.index.read { try $0.lastReceived(inStudy: id) } })
        case .series(let id, _):
            return try directory(
                time: Errno.from { try archive.index.read { try $0.lastReceived(inSeries: id) } })
        }
    }

    /// The words of a search.
    ///
    /// - Throws: ESTALE when it is not kept, and was forgotten.
    func words(of number: UInt64) throws(Errno) -> String {
        let words =
            number < InodeNumber.firstPassingSearch
            ? try Errno.from { try archive.index.read { try $0.keptSearch(Int64(number))?.words } }
            : passingSearches.words(of: number)
        guard let words else { throw Errno(ESTALE) }
        return words
    }

    func lookup(
        _ name: [UInt8], in inode: SearchInode, by caller: CallingThread
    ) throws(Errno) -> fuse_entry_param {
        if case .series(let id, _) = inode {
            guard try Errno.from({ try archive.index.read { try $0.study(ofSeries: id) } }) != nil
            else { throw Errno(ESTALE) }
            var found = try image(name, inSeries: id, byUID: false)
            found.entry_timeout = Self.searchTimeout
            return found
        }
        guard let text = String(validating: name, as: UTF8.self) else { throw Errno(ENOENT) }
        func wanted(_ found: (name: String, id: Int64)?) throws(Errno) -> Int64 {
            guard let found, ignoresCase || found.name.utf8.elementsEqual(text.utf8) else {
                throw Errno(ENOENT)
            }
            return found.id
        }
        let child: SearchInode
        switch inode {
        case .top:
            if text == FixedEntry.searchHelp.name { return entry(attributes(of: .searchHelp)) }
            return try searchFolder(text, by: caller)
        case .note: throw Errno(ENOTDIR)
        case .folder(let number):
            if let note = try note(in: number), note.name == text {
                child = .note(number)
            } else {
                guard case .found(let studies, _) = try answer(in: number) else {
                    throw Errno(ENOENT)
                }
                child = .study(try wanted(studies.find(text)), search: number)
            }
        case .study(let id, let search):
            let series = try Errno.from { try searchResults.series(ofStudy: id) }
            child = .series(try wanted(series.find(text)), search: search)
        case .series: throw Errno(ENOTDIR)
        }
        return entry(try attributes(of: child), of: child)
    }

    private func answer(in number: UInt64) throws(Errno) -> SearchAnswer {
        let words = try words(of: number)
        return try Errno.from { try searchResults.answer(words) }
    }

    /// The text that explains why a folder shows nothing, or not everything; `nil` when it shows
    /// everything.
    func note(in number: UInt64) throws(Errno) -> (name: String, text: [UInt8])? {
        switch try answer(in: number) {
        case .found(_, isAll: true): nil
        case .found(_, isAll: false):
            (SearchTexts.moreName, SearchTexts.more(limit: searchResults.limit))
        case .notUnderstood(let reason): (SearchTexts.whyName, SearchTexts.why(reason))
        }
    }

    func parent(of inode: SearchInode) throws(Errno) -> UInt64 {
        switch inode {
        case .top: return FixedEntry.root.number
        case .folder: return FixedEntry.search.number
        case .note(let number), .study(_, let number): return SearchInode.folder(number).number
        case .series(let id, let search):
            guard
                let study = try Errno.from({ try archive.index.read { try $0.study(ofSeries: id) } }
                )
            else {
                throw Errno(ESTALE)
            }
            return SearchInode.study(study, search: search).number
        }
    }

    // MARK: Listing

    /// The entries of a directory of `/search`; `nil` for a series, whose images are listed by
    /// rows.
    func snapshot(of inode: SearchInode) throws(Errno) -> DirectorySnapshot? {
        func entry(_ name: String, _ inode: SearchInode) -> DirectorySnapshot.Entry {
            .init(name: Array(name.utf8), isDirectory: inode.isDirectory, inode: inode.number)
        }
        switch inode {
        case .top:
            let kept = try Errno.from { try archive.index.read { try $0.keptSearches() } }
            let help = FixedEntry.searchHelp
            return DirectorySnapshot(
                [.init(name: Array(help.name.utf8), isDirectory: false, inode: help.number)]
                    + kept.map { entry($0.words, .folder(UInt64($0.id))) })
        case .folder(let number):
            var entries: [DirectorySnapshot.Entry] = []
            if let note = try note(in: number) { entries.append(entry(note.name, .note(number))) }
            if case .found(let studies, _) = try answer(in: number) {
                entries += studies.entries.map { entry($0.name, .study($0.id, search: number)) }
            }
            return DirectorySnapshot(entries)
        case .study(let id, let search):
            let series = try Errno.from { try searchResults.series(ofStudy: id) }
            return DirectorySnapshot(
                series.entries.map { entry($0.name, .series($0.id, search: search)) })
        case .series: return nil
        case .note: throw Errno(ENOTDIR)
        }
    }

    /// Fills `buffer` with the entries of a directory of `/search` after `cookie`.
    func list(
        _ snapshot: DirectorySnapshot?, of inode: SearchInode, after cookie: Int, plus: Bool,
        into buffer: inout DirectoryBuffer
    ) throws(Errno) {
        var own = stat()
        own.st_mode = S_IFDIR
        own.st_ino = UInt(inode.shownNumber)
        var parent = own
        parent.st_ino = UInt(try self.shownNumber(self.parent(of: inode)))
        if cookie < 1, !buffer.add(".", own, cookie: 1, plus: plus) { return }
        if cookie < 2, !buffer.add("..", parent, cookie: 2, plus: plus) { return }
        guard let snapshot else {
            guard case .series(let id, _) = inode else { throw Errno(EBADF) }
            return try listImages(
                ofSeries: id, byUID: false, after: cookie, entryTimeout: Self.searchTimeout,
                plus: plus, into: &buffer)
        }
        let first = max(0, cookie - 2)
        for index in first..<max(first, snapshot.entries.count) {
            let listed = snapshot.entries[index]
            var attributes = stat()
            attributes.st_mode = listed.isDirectory ? S_IFDIR : S_IFREG
            attributes.st_ino = UInt(try shownNumber(listed.inode))
            var entry = fuse_entry_param()
            entry.attr = attributes
            if plus, case .search(let inode) = try self.inode(listed.inode) {
                entry = self.entry(try self.attributes(of: inode), of: inode)
            }
            let fits = listed.name.withCString {
                plus
                    ? buffer.add($0, entry, cookie: index + 3)
                    : buffer.add($0, attributes, cookie: index + 3)
            }
            if !fits { return }
        }
    }

    private func shownNumber(_ number: UInt64) throws(Errno) -> UInt64 {
        if case .search(let inode) = try inode(number) { inode.shownNumber } else { number }
    }
}
