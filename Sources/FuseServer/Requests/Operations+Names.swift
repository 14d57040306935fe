import CFuse3
import Glibc
import System

extension Operations {
    /// MKDIR, MKNOD, UNLINK, RMDIR, RENAME, and SYMLINK and LINK, which are refused.
    static func addNames(to operations: inout fuse_lowlevel_ops) {
        operations.mkdir = { request, parent, name, mode in
            answer(request) { (fileSystem, request) throws(Errno) in
                try fileSystem.requireKeeper(in: parent, request)
                let caller = request.caller
                if let search = try fileSystem.keepSearch(
                    bytes(name), in: parent, by: caller.uid)
                {
                    return .entry(search)
                }
                return .entry(
                    try fileSystem.making(in: parent) { (tree) throws(Errno) in
                        try tree.makeDirectory(bytes(name), in: parent, mode: mode, caller: caller)
                    })
            }
        }
        operations.unlink = { request, parent, name in
            answer(request) { (fileSystem, _) throws(Errno) in
                try fileSystem.writableTree(parent).unlink(bytes(name), in: parent)
                return .done
            }
        }
        operations.rmdir = { request, parent, name in
            answer(request) { (fileSystem, request) throws(Errno) in
                try fileSystem.requireKeeper(in: parent, request)
                if try !fileSystem.forgetSearch(bytes(name), in: parent) {
                    try fileSystem.writableTree(parent).removeDirectory(bytes(name), in: parent)
                }
                return .done
            }
        }
        operations.rename = { request, parent, name, newParent, newName, flags in
            let fileSystem = fileSystem(request)
            let request = taken(request)
            do throws(Errno) {
                guard flags == 0 || flags == Operations.noReplace else { throw Errno(EINVAL) }
                let target = IncomingTree.Target(
                    name: bytes(newName), parent: newParent,
                    mustBeNew: flags == Operations.noReplace)
                try fileSystem.requireKeeper(in: parent, request)
                if try fileSystem.renameSearch(
                    bytes(name), in: parent, to: target.name, in: newParent,
                    mustBeNew: target.mustBeNew)
                {
                    return request.ok()
                }
                if let (rejected, incoming) = try fileSystem.treesOfRetry(
                    from: parent, to: newParent)
                {
                    let caller = request.caller
                    return incoming.retry(
                        bytes(name), in: parent, of: rejected, to: target, caller: caller,
                        replyingTo: request.deferred(until: .death))
                }
                let tree = try fileSystem.writableTree(parent)
                // What is archived is copied out, not moved.
                guard case .tree(let newTree) = try fileSystem.inode(newParent), newTree === tree
                else {
                    throw Errno(EXDEV)
                }
                tree.rename(
                    bytes(name), in: parent, to: target, replyingTo: request.deferred(until: .death)
                )
            } catch {
                request.error(error)
            }
        }
        operations.symlink = { request, _, parent, _ in Operations.refuse(request, parent) }
        operations.link = { request, _, parent, _ in Operations.refuse(request, parent) }
        operations.mknod = { request, parent, name, mode, _ in
            // As mknod(2) says, no type means a regular file.
            guard [0, S_IFREG].contains(mode & S_IFMT) else {
                return Operations.refuse(request, parent)
            }
            answer(request) { (fileSystem, request) throws(Errno) in
                let caller = request.caller
                return .entry(
                    try fileSystem.making(in: parent) { (tree) throws(Errno) in
                        try tree.makeFile(bytes(name), in: parent, mode: mode, caller: caller)
                    })
            }
        }
    }

    // See: 'man 2 rename', RENAME_NOREPLACE; declared under _GNU_SOURCE only.
    private static let noReplace: UInt32 = 1

    /// Links, FIFOs, sockets and devices: EPERM in `/incoming`, as on a disk that has none; EROFS
    /// elsewhere.
    private static func refuse(_ request: fuse_req_t?, _ parent: UInt64) {
        answer(request) { (fileSystem, _) throws(Errno) in
            _ = try fileSystem.writableTree(parent)
            throw Errno(EPERM)
        }
    }
}
