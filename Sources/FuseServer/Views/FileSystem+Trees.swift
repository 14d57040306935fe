import Archive
import Glibc
import System

// The trees that a request is for.
extension FileSystem {
    /// Calls `body` with the tree of a directory; when its volume fails, again with the tree that
    /// takes its place.
    ///
    /// - Throws: EROFS when nothing can be made there, or what `body` throws.
    func making<R>(in parent: UInt64, _ body: (IncomingTree) throws(Errno) -> R) throws(Errno) -> R
    {
        let tree = try writableTree(parent)
        do { return try body(tree) } catch {
            guard [EIO, EROFS, ENOSPC].contains(error.code) else { throw error }
            // Another thread does it.
            if DiskWork.current?.isAbandoned == true { throw error }
            if error.code == ENOSPC {
                archive.followRoom()
            } else {
                archive.suspect(tree.staging, isReadOnly: error.code == EROFS)
            }
            trees.follow()
            let other = try writableTree(parent)
            guard other !== tree else { throw error }
            return try body(other)
        }
    }

    /// The trees of a RENAME that moves something from `/rejected` to `/incoming`; `nil` for any
    /// other RENAME.
    ///
    /// - Throws: EXDEV when they are on two volumes.
    func treesOfRetry(
        from parent: UInt64, to newParent: UInt64
    ) throws(Errno) -> (rejected: RejectedTree, incoming: IncomingTree)? {
        guard case .tree(let from) = try inode(parent), let rejected = from as? RejectedTree,
            case .tree(let to) = try inode(newParent), let incoming = to as? IncomingTree
        else { return nil }
        // As after one of the volumes has gone.
        guard rejected.staging.isSame(as: incoming.staging) else { throw Errno(EXDEV) }
        return (rejected, incoming)
    }

    /// The disk that a request about `/incoming` or `/rejected` uses; `nil` when nobody watches
    /// whether it answers.
    func disk(of number: UInt64) -> DiskCalls? {
        let found = try? inode(number)
        if case .tree(let tree) = found {
            if let incoming = tree as? IncomingTree { return incoming.staging.disk }
            if let rejected = tree as? RejectedTree { return rejected.staging.disk }
        }
        return trees.incoming.staging.disk
    }

    /// - Throws: EROFS for anything that is not `/incoming` or below it.
    func writableTree(_ number: UInt64) throws(Errno) -> IncomingTree {
        guard case .tree(let tree) = try inode(number), let incoming = tree as? IncomingTree else {
            throw Errno(EROFS)
        }
        return incoming
    }
}
