import CFuse3
import Glibc
import System

extension Operations {
    /// OPEN, CREATE and RELEASE.
    static func addOpen(to operations: inout fuse_lowlevel_ops) {
        operations.open = { request, number, info in
            let fileSystem = fileSystem(request)
            let request = taken(request)
            guard let flags = info?.pointee.flags else { return request.error(Errno(EIO)) }
            do throws(Errno) {
                let share = try fileSystem.shares.open(by: request.caller.uid)
                guard let image = try fileSystem.image(toOpen: number, flags: flags) else {
                    let opened = try fileSystem.open(number, flags: flags, share: share)
                    return Operations.reply(request, fileSystem, opened, share)
                }
                // Its bytes may have to be read before.
                let thread = request.callingThread
                let reply = request.deferred()
                fileSystem.images.open(
                    image, willWait: { reply.allowInterruption(of: thread, by: .death) },
                    isWanted: { reply.isAwaited }
                ) { result in
                    switch result {
                    case .failure(let error): reply.answer(.failure(error))
                    case .success(let image):
                        guard let request = reply.take() else {
                            return fileSystem.images.close(image)
                        }
                        Operations.reply(request, fileSystem, .image(image), share)
                    }
                }
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
                let share = try fileSystem.shares.open(by: caller.uid)
                let (entry, file) = try fileSystem.making(in: parent) { (tree) throws(Errno) in
                    try tree.create(
                        bytes(name), in: parent, flags: flags, mode: mode, caller: caller,
                        share: share)
                }
                answer.fh = OpenObject.open(.file(file), share: share)
                let handle = answer.fh
                if !request.created(entry, answer) { fileSystem.release(handle) }
            } catch {
                request.error(error)
            }
        }
        operations.release = { request, _, info in
            fileSystem(request).release(info?.pointee.fh ?? 0)
            taken(request).ok()
        }
    }

    /// Answers OPEN: how the kernel reads the file, and what it may keep in its cache. When the
    /// program has gone the file is let go again.
    private static func reply(
        _ request: consuming Request, _ fileSystem: FileSystem, _ opened: OpenObject.Kind,
        _ share: UserShares.Place
    ) {
        var answer = fuse_file_info()
        answer.fh = OpenObject.open(opened, share: share)
        let isOpen: Bool
        switch opened {
        case .image(let image):
            answer.noflush = 1
            switch image.source {
            case .backing(let id): isOpen = request.opened(handle: answer.fh, backing: id)
            case .descriptor(_, let keepsCache):
                answer.keep_cache = keepsCache ? 1 : 0
                isOpen = request.opened(answer)
            case .direct:
                // The kernel lets this stand beside another way of reading the same image.
                answer.direct_io = 1
                isOpen = request.opened(answer)
            }
        case .rejected:
            answer.noflush = 1
            isOpen = request.opened(answer)
        case .text(_, let keepsCache):
            answer.keep_cache = keepsCache ? 1 : 0
            answer.noflush = 1
            isOpen = request.opened(answer)
        case .document:
            // Each program reads its own, to its end, whatever size the last stat(2) gave.
            answer.direct_io = 1
            answer.noflush = 1
            isOpen = request.opened(answer)
        case .file, .directory: isOpen = request.opened(answer)
        }
        if !isOpen { fileSystem.release(answer.fh) }
    }
}
