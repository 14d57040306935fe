import CFuse3
import Glibc
import System

extension Operations {
    /// OPENDIR, READDIR, READDIRPLUS, RELEASEDIR and FSYNCDIR.
    static func addDirectories(to operations: inout fuse_lowlevel_ops) {
        operations.opendir = { request, number, info in
            let fileSystem = fileSystem(request)
            let request = taken(request)
            guard var answer = info?.pointee else { return request.error(Errno(EIO)) }
            do throws(Errno) {
                let share = try fileSystem.shares.open(by: request.caller.uid)
                let snapshot = try fileSystem.openDirectory(number)
                let isKept = fileSystem.mayKeepListing(number)
                answer.cache_readdir = isKept ? 1 : 0
                answer.keep_cache = isKept ? 1 : 0
                answer.fh = OpenObject.open(
                    .directory(OpenDirectory(snapshot, readingAheadOn: fileSystem.readingAhead)),
                    share: share)
                let handle = answer.fh
                if !request.opened(answer) { fileSystem.release(handle) }
            } catch {
                request.error(error)
            }
        }
        operations.readdir = { request, number, size, offset, info in
            let fileSystem = fileSystem(request)
            let directory = OpenObject.kind(of: info?.pointee.fh ?? 0)?.directory
            let request = taken(request)
            guard let directory else { return request.error(Errno(EBADF)) }
            let fill: ReadAhead.Filling = { (cookie, buffer) throws(Errno) in
                try fileSystem.readDirectory(
                    number, snapshot: directory.snapshot, after: cookie, plus: false, into: &buffer)
            }
            if directory.snapshot == nil {
                directory.answer(request, after: offset, size: size, fill)
            } else {
                request.entries(size: size) { buffer throws(Errno) in try fill(offset, &buffer) }
            }
        }
        operations.readdirplus = { request, number, size, offset, info in
            let fileSystem = fileSystem(request)
            let directory = OpenObject.kind(of: info?.pointee.fh ?? 0)?.directory
            let request = taken(request)
            guard let directory else { return request.error(Errno(EBADF)) }
            // The kernel begins every listing with READDIRPLUS, and goes on with it when the
            // program wants the attributes: the first answer of a large directory stays small.
            let size = offset == 0 ? min(size, 16 << 10) : size
            request.entries(size: size) { buffer throws(Errno) in
                try fileSystem.readDirectory(
                    number, snapshot: directory.snapshot, after: offset, plus: true, into: &buffer)
            }
        }
        operations.releasedir = { request, _, info in
            fileSystem(request).release(info?.pointee.fh ?? 0)
            taken(request).ok()
        }
        operations.fsyncdir = { request, number, _, info in
            answer(request) { (fileSystem, _) throws(Errno) in
                guard OpenObject.kind(of: info?.pointee.fh ?? 0)?.directory != nil else {
                    throw Errno(EBADF)
                }
                // What views show is durable before it is shown.
                if case .tree(let tree) = try fileSystem.inode(number) {
                    try tree.syncDirectory(number)
                }
                return .done
            }
        }
    }
}
