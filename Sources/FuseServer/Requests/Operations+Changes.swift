import CFuse3
import Glibc
import System

extension Operations {
    static func addChanges(to operations: inout fuse_lowlevel_ops) {
        operations.setattr = { request, number, attributes, which, _ in
            let fileSystem = fileSystem(request)
            let request = taken(request)
            guard let attributes else { return request.error(Errno(EINVAL)) }
            do throws(Errno) {
                let tree = try fileSystem.writableTree(number)
                let result = try tree.setAttributes(
                    number, to: attributes.pointee, which: which)
                request.attributes(result, timeout: 0)
            } catch {
                request.error(error)
            }
        }
        operations.create = { request, parent, name, mode, info in
            let fileSystem = fileSystem(request)
            let request = taken(request)
            guard var answer = info?.pointee else { return request.error(Errno(EIO)) }
            do throws(Errno) {
                let (flags, caller) = (answer.flags, request.caller)
                let (entry, handle) = try fileSystem.making(in: parent) { (tree) throws(Errno) in
                    try tree.create(
                        bytes(name), in: parent, flags: flags, mode: mode, caller: caller)
                }
                answer.fh = Handles.retain(handle)
                let handleNumber = answer.fh
                if !request.created(entry, answer) {
                    fileSystem.release(entry.ino, handle: handleNumber)
                }
            } catch {
                request.error(error)
            }
        }
        operations.mkdir = { request, parent, name, mode in
            let fileSystem = fileSystem(request)
            let request = taken(request)
            do throws(Errno) {
                let caller = request.caller
                try fileSystem.requireKeeper(in: parent, request)
                if let search = try fileSystem.keepSearch(bytes(name), in: parent) {
                    return request.entry(search)
                }
                let entry = try fileSystem.making(in: parent) { (tree) throws(Errno) in
                    try tree.makeDirectory(bytes(name), in: parent, mode: mode, caller: caller)
                }
                request.entry(entry)
            } catch {
                request.error(error)
            }
        }
        operations.unlink = { request, parent, name in
            let fileSystem = fileSystem(request)
            let request = taken(request)
            do throws(Errno) {
                try fileSystem.writableTree(parent).unlink(bytes(name), in: parent)
                request.ok()
            } catch {
                request.error(error)
            }
        }
        operations.rmdir = { request, parent, name in
            let fileSystem = fileSystem(request)
            let request = taken(request)
            do throws(Errno) {
                try fileSystem.requireKeeper(in: parent, request)
                if try !fileSystem.forgetSearch(bytes(name), in: parent) {
                    try fileSystem.writableTree(parent).removeDirectory(bytes(name), in: parent)
                }
                request.ok()
            } catch {
                request.error(error)
            }
        }
        operations.rename = { request, parent, name, newParent, newName, flags in
            let fileSystem = fileSystem(request)
            let request = taken(request)
            do throws(Errno) {
                guard flags == 0 || flags == 1 else { throw Errno(EINVAL) }
                let target = IncomingTree.Target(
                    name: bytes(newName), parent: newParent, mustBeNew: flags == 1)
                try fileSystem.requireKeeper(in: parent, request)
                if try fileSystem.renameSearch(
                    bytes(name), in: parent, to: bytes(newName), in: newParent,
                    mustBeNew: flags == 1)
                {
                    return request.ok()
                }
                if let (rejected, incoming) = try fileSystem.treesOfRetry(
                    from: parent, to: newParent)
                {
                    let caller = request.caller
                    return incoming.takeBack(
                        bytes(name), in: parent, of: rejected, to: target, caller: caller,
                        replyingTo: request.deferred())
                }
                let tree = try fileSystem.writableTree(parent)
                // What is archived is copied out, not moved; linux/fs.h: RENAME_NOREPLACE is 1.
                guard case .tree(let newTree) = try fileSystem.place(newParent), newTree === tree
                else {
                    throw Errno(EXDEV)
                }
                tree.rename(bytes(name), in: parent, to: target, replyingTo: request.deferred())
            } catch {
                request.error(error)
            }
        }
        operations.symlink = { request, _, parent, _ in Operations.refuse(request, parent) }
        operations.link = { request, _, parent, _ in Operations.refuse(request, parent) }
        operations.mknod = { request, parent, _, _, _ in Operations.refuse(request, parent) }
    }

    /// Links and devices: EPERM in `/incoming`, as on a disk that has none; EROFS elsewhere.
    private static func refuse(_ request: fuse_req_t?, _ parent: UInt64) {
        let fileSystem = fileSystem(request)
        let request = taken(request)
        do throws(Errno) {
            _ = try fileSystem.writableTree(parent)
            request.error(Errno(EPERM))
        } catch {
            request.error(error)
        }
    }
}

extension FileSystem {
    /// Calls `body` with the tree in which something is to be made; when that fails because its
    /// volume has failed, again with the one that has taken its place.
    func making<R>(in parent: UInt64, _ body: (IncomingTree) throws(Errno) -> R) throws(Errno) -> R
    {
        let tree = try writableTree(parent)
        do { return try body(tree) } catch {
            guard error.code == EIO || error.code == EROFS else { throw error }
            archive.suspect(tree.staging, isReadOnly: error.code == EROFS)
            trees.follow()
            let other = try writableTree(parent)
            guard other !== tree else { throw error }
            return try body(other)
        }
    }

    /// The trees of a RENAME that moves something from `/rejected` to `/incoming`.
    func treesOfRetry(
        from parent: UInt64, to newParent: UInt64
    ) throws(Errno) -> (rejected: RejectedTree, incoming: IncomingTree)? {
        guard case .tree(let from) = try place(parent), let rejected = from as? RejectedTree,
            case .tree(let to) = try place(newParent), let incoming = to as? IncomingTree
        else { return nil }
        // They are of two volumes after one of them went.
        guard rejected.staging.isSame(as: incoming.staging) else { throw Errno(EXDEV) }
        return (rejected, incoming)
    }

    /// - throws: EROFS for whatever is not `/incoming` or below
    func writableTree(_ number: UInt64) throws(Errno) -> IncomingTree {
        guard case .tree(let tree) = try place(number), let incoming = tree as? IncomingTree else {
            throw Errno(EROFS)
        }
        return incoming
    }
}
