import Archive
import CFuse3
import Glibc
import Naming
import Storage
import System
import TagIndex

// The folders of `/search`, and which of them are kept.
extension FileSystem {
    /// A folder of `/search` for the words that are its name.
    ///
    /// - Throws: ENOENT for names that programs look up by themselves, and when the caller is about
    ///   to make the folder; ENAMETOOLONG.
    func searchFolder(_ words: String, by caller: CallingThread) throws(Errno) -> fuse_entry_param {
        guard words.utf8.count <= PortableName.maximumLength else { throw Errno(ENAMETOOLONG) }
        let kept = try Errno.from { try archive.index.read { try $0.keptSearch(words) } }
        if let kept, ignoresCase || kept.words.utf8.elementsEqual(words.utf8) {
            return try entry(of: .folder(UInt64(kept.id)))
        }
        guard !isNoSearch(words), !caller.isMakingName else { throw Errno(ENOENT) }
        let number = passingSearches.look(up: words)
        let inode = SearchInode.folder(number)
        do throws(Errno) { return entry(try attributes(of: inode), of: inode) } catch {
            passingSearches.forget(number, count: 1)
            throw error
        }
    }

    /// Whether programs look this name up, not people: hidden files, and those that file managers
    /// look for in every folder.
    private func isNoSearch(_ name: String) -> Bool {
        name.hasPrefix(".") || archive.settings.ignores(Array(name.utf8))
            || ["autorun.inf", "desktop.ini", "thumbs.db"].contains(name.lowercased())
    }

    /// How many searches are kept at most: a listing of `/search` has them all.
    static let mostSearches = 1000

    /// Checks that the caller may change which searches are kept, where modes do not: they are
    /// about one group, which is the readers where one group reads and another writes.
    ///
    /// - Throws: EACCES when `parent` is in `/search`, and the caller may not add images.
    func requireKeeper(in parent: UInt64, _ request: borrowing Request) throws(Errno) {
        guard case .search = try inode(parent), let group = permissions.keepersAmongReaders else {
            return
        }
        let caller = request.caller
        guard
            caller.uid == 0 || caller.uid == permissions.owner.uid || caller.gid == group
                || request.groups.contains(group)
        else { throw Errno(EACCES) }
    }

    /// MKDIR in `/search`; `nil` when `parent` is elsewhere.
    ///
    /// - Parameter user: The uid of whoever keeps it.
    /// - Throws: EEXIST when it is kept; EINVAL for words that cannot be understood, or are not a
    ///   name that every file system takes; EDQUOT when the user has a full share of them, ENOSPC
    ///   when there are too many.
    func keepSearch(
        _ name: [UInt8], in parent: UInt64, by user: uid_t
    ) throws(Errno) -> fuse_entry_param? {
        guard case .search(let inode) = try inode(parent) else { return nil }
        guard case .top = inode else { throw Errno(EROFS) }
        let words = try keepable(name)
        try requireShare(ofSearchesFor: user)
        try Errno.from { try archive.changeSearches([.keep(words)]) }
        noteSearchesChanged()
        if let kept = try keptSearch(words) { searchKeepers.withLock { $0[kept.id] = user } }
        return try searchFolder(words, by: CallingThread(id: 0))
    }

    /// RMDIR in `/search`; false when `parent` is elsewhere.
    ///
    /// - Throws: ENOENT when it is not kept.
    func forgetSearch(_ name: [UInt8], in parent: UInt64) throws(Errno) -> Bool {
        guard case .search(let inode) = try inode(parent) else { return false }
        guard case .top = inode else { throw Errno(EROFS) }
        let kept = try keptSearch(name)
        try Errno.from { try archive.changeSearches([.forget(kept.words)]) }
        noteSearchesChanged()
        return true
    }

    /// RENAME in `/search`: the folder is kept with other words; false when neither is in
    /// `/search`.
    ///
    /// - Throws: EXDEV out of it or into it; ENOENT when it is not kept; as ``keepSearch(_:in:)``
    ///   for the new words, and ENOTEMPTY when they are kept already.
    func renameSearch(
        _ name: [UInt8], in parent: UInt64, to newName: [UInt8], in newParent: UInt64,
        mustBeNew: Bool
    ) throws(Errno) -> Bool {
        switch (try inode(parent), try inode(newParent)) {
        case (.search(.top), .search(.top)): break
        case (.search, .search): throw Errno(EROFS)
        case (.search, _), (_, .search): throw Errno(EXDEV)
        default: return false
        }
        let kept = try keptSearch(name)
        let words: String
        do throws(Errno) { words = try keepable(newName, except: kept.id) } catch {
            throw error.code == EEXIST && !mustBeNew ? Errno(ENOTEMPTY) : error
        }
        try Errno.from { try archive.changeSearches([.rename(kept.words, to: words)]) }
        noteSearchesChanged()
        return true
    }

    private func keptSearch(_ name: [UInt8]) throws(Errno) -> KeptSearch {
        guard let words = String(validating: name, as: UTF8.self), let kept = try keptSearch(words),
            ignoresCase || kept.words.utf8.elementsEqual(words.utf8)
        else { throw Errno(ENOENT) }
        return kept
    }

    private func keptSearch(_ words: String) throws(Errno) -> KeptSearch? {
        try Errno.from { try archive.index.read { try $0.keptSearch(words) } }
    }

    /// - Parameter except: A kept search that goes in the same step: its `search.id`.
    /// - Throws: As ``keepSearch(_:in:)``.
    private func keepable(_ name: [UInt8], except: Int64 = 0) throws(Errno) -> String {
        guard let words = String(validating: name, as: UTF8.self), !isNoSearch(words),
            PortableName.component(words).utf8.elementsEqual(words.utf8),
            words != FixedEntry.searchHelp.name,
            (try? SearchQuery(words: [words])) != nil
        else { throw Errno(EINVAL) }
        let all = try Errno.from { try archive.index.read { try $0.keptSearches() } }
        let folded = PortableName.folded(words)
        guard !all.contains(where: { $0.id != except && PortableName.folded($0.words) == folded })
        else {
            throw Errno(EEXIST)
        }
        guard except != 0 || all.count < Self.mostSearches,
            (all.last?.id ?? 0) + 1 < InodeNumber.firstPassingSearch
        else {
            throw Errno(ENOSPC)
        }
        return words
    }

    /// What was kept before this start belongs to nobody: the ledger does not say by whom it was.
    ///
    /// - Throws: EDQUOT when the user has a full share of what is kept.
    private func requireShare(ofSearchesFor user: uid_t) throws(Errno) {
        let all = try Errno.from { try archive.index.read { try $0.keptSearches() } }
        let ids = Set(all.map(\.id))
        let own = searchKeepers.withLock { keepers in
            keepers = keepers.filter { ids.contains($0.key) }
            return keepers.values.count { $0 == user }
        }
        guard
            Shares<uid_t>.mayTake(holding: own, used: all.count, of: Self.mostSearches)
        else {
            archive.refusals.note(.keptSearches, of: user)
            throw Errno(EDQUOT)
        }
    }

    private func noteSearchesChanged() {
        let now = Timestamp.now().nanoseconds
        searchesChanged.withLock { $0 = max(now, $0 + 1) }
    }
}
