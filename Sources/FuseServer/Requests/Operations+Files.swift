import CFuse3
import Glibc
import System

extension Operations {
    static func addFiles(to operations: inout fuse_lowlevel_ops) {
        operations.open = { request, number, info in
            let fileSystem = fileSystem(request)
            let request = taken(request)
            guard var answer = info?.pointee else { return request.error(Errno(EIO)) }
            do throws(Errno) {
                let opened = try fileSystem.open(number, flags: answer.flags)
                var isTaken = true
                switch opened {
                case .backing(let id): isTaken = request.opened(handle: 0, backing: id)
                case .shared(let keepsCache):
                    answer.fh = 0
                    answer.keep_cache = keepsCache ? 1 : 0
                    answer.noflush = 1
                    isTaken = request.opened(answer)
                case .direct(let image):
                    // The kernel lets this stand beside another way of reading the same image.
                    answer.direct_io = 1
                    answer.noflush = 1
                    answer.fh = Handles.retain(image)
                    isTaken = request.opened(answer)
                case .handle(let handle):
                    answer.fh = Handles.retain(handle)
                    isTaken = request.opened(answer)
                case .rejected(let file):
                    answer.noflush = 1
                    answer.fh = Handles.retain(file)
                    isTaken = request.opened(answer)
                }
                if !isTaken { fileSystem.release(number, handle: answer.fh) }
            } catch {
                request.error(error)
            }
        }
        operations.read = { request, number, size, offset, info in
            let fileSystem = fileSystem(request)
            let handle = info?.pointee.fh ?? 0
            let request = taken(request)
            do throws(Errno) {
                switch try fileSystem.source(of: number, handle: handle) {
                case .file(let descriptor):
                    request.data(from: descriptor.number, offset: offset, count: size)
                    withExtendedLifetime(descriptor) {}
                case .bytes(let bytes):
                    let start = min(Int(offset), bytes.count)
                    request.bytes(bytes[start..<min(start + size, bytes.count)])
                }
            } catch {
                request.error(error)
            }
        }
        operations.write = { request, _, buffer, size, offset, info in
            let handle: IncomingHandle? = Handles.object(info?.pointee.fh ?? 0)
            let request = taken(request)
            guard let handle else { return request.error(Errno(EBADF)) }
            do throws(Errno) {
                let count = try handle.tree.write(
                    handle, UnsafeRawBufferPointer(start: buffer, count: size), offset: offset)
                request.written(count)
            } catch {
                request.error(error)
            }
        }
        operations.flush = { request, _, info in
            let handle: IncomingHandle? = Handles.object(info?.pointee.fh ?? 0)
            let request = taken(request)
            guard let handle else { return request.ok() }
            let wasKilled = handle.canWrite && request.callingThread.isKilled
            handle.tree.flush(handle, wasKilled: wasKilled, replyingTo: request.deferred())
        }
        operations.fsync = { request, _, dataOnly, info in
            let handle: IncomingHandle? = Handles.object(info?.pointee.fh ?? 0)
            let request = taken(request)
            guard let handle else { return request.ok() }
            do throws(Errno) {
                try handle.tree.sync(handle, dataOnly: dataOnly != 0)
                request.ok()
            } catch {
                request.error(error)
            }
        }
        operations.fallocate = { request, _, mode, offset, length, info in
            let handle: IncomingHandle? = Handles.object(info?.pointee.fh ?? 0)
            let request = taken(request)
            guard let handle else { return request.error(Errno(EBADF)) }
            do throws(Errno) {
                try handle.tree.allocate(handle, mode: mode, offset: offset, length: length)
                request.ok()
            } catch {
                request.error(error)
            }
        }
        operations.lseek = { request, number, offset, whence, info in
            let fileSystem = fileSystem(request)
            let handle = info?.pointee.fh ?? 0
            let request = taken(request)
            do throws(Errno) {
                let position = try fileSystem.seek(
                    number, handle: handle, to: Int(offset), whence: whence)
                request.position(position)
            } catch {
                request.error(error)
            }
        }
        operations.release = { request, number, info in
            let fileSystem = fileSystem(request)
            fileSystem.release(number, handle: info?.pointee.fh ?? 0)
            taken(request).ok()
        }
    }
}

extension FileSystem {
    /// What OPEN came to.
    enum Opened {
        /// The kernel reads the file itself.
        case backing(Int32)
        /// The daemon is asked for its bytes, which never change.
        case shared(keepsCache: Bool)
        /// The same, past the kernel's cache: what others have open is another file.
        case direct(SharedDescriptor)
        /// A file of `/incoming`.
        case handle(IncomingHandle)
        /// A file of `/rejected`.
        case rejected(SharedDescriptor)
    }

    enum ReadSource {
        case file(SharedDescriptor)
        case bytes([UInt8])
    }

    func open(_ number: UInt64, flags: Int32) throws(Errno) -> Opened {
        let place = try place(number)
        if case .tree(let tree) = place {
            if let incoming = tree as? IncomingTree {
                return .handle(try incoming.open(number, flags: flags))
            }
            guard let rejected = tree as? RejectedTree else { throw Errno(ESTALE) }
            return .rejected(try rejected.open(number, flags: flags))
        }
        // Root may do what modes forbid, so they are not enough.
        guard flags & O_ACCMODE == O_RDONLY, flags & O_TRUNC == 0 else { throw Errno(EROFS) }
        switch place {
        case .image(let id):
            switch try images.open(id) {
            case .backing(let backing): return .backing(backing)
            case .descriptor(_, let keepsCache): return .shared(keepsCache: keepsCache)
            case .direct(let descriptor): return .direct(descriptor)
            }
        case .fixed(let entry) where entry.text != nil: return .shared(keepsCache: true)
        case .search(.note): return .shared(keepsCache: false)
        default: throw Errno(EISDIR)
        }
    }

    /// - parameter handle: what OPEN answered
    func source(of number: UInt64, handle: UInt64) throws(Errno) -> ReadSource {
        switch try place(number) {
        case .image(let id):
            if let direct: SharedDescriptor = Handles.object(handle) { return .file(direct) }
            guard let descriptor = images.descriptor(of: id) else { throw Errno(EIO) }
            return .file(descriptor)
        case .fixed(let entry):
            guard let text = entry.text else { throw Errno(EISDIR) }
            return .bytes(text)
        case .search(.note(let folder)):
            guard let note = try note(in: folder) else { throw Errno(ESTALE) }
            return .bytes(note.text)
        case .tree(let tree):
            if tree is RejectedTree {
                guard let file: SharedDescriptor = Handles.object(handle) else {
                    throw Errno(EBADF)
                }
                return .file(file)
            }
            guard let handle: IncomingHandle = Handles.object(handle) else { throw Errno(EBADF) }
            return .file(try handle.tree.descriptor(of: handle))
        default: throw Errno(EISDIR)
        }
    }

    /// Only files of trees may have holes; any other is data to its end.
    ///
    /// - throws: ENXIO beyond the end of the file
    func seek(_ number: UInt64, handle: UInt64, to offset: Int, whence: Int32) throws(Errno) -> Int
    {
        if case .tree(let tree) = try place(number), tree is IncomingTree {
            guard let handle: IncomingHandle = Handles.object(handle) else { throw Errno(EBADF) }
            return try handle.tree.seek(handle, to: offset, whence: whence)
        }
        let size = try attributes(of: number).st_size
        guard (0..<size).contains(offset) else { throw Errno(ENXIO) }
        // lseek(2): SEEK_DATA is 3, SEEK_HOLE is 4.
        switch whence {
        case 3: return offset
        case 4: return size
        default: throw Errno(EINVAL)
        }
    }

    func release(_ number: UInt64, handle: UInt64) {
        switch try? place(number) {
        case .image(let id):
            if handle == 0 {
                images.close(id)
            } else {
                Handles.release(handle, as: SharedDescriptor.self)
            }
        case .tree(let tree):
            if tree is RejectedTree {
                return Handles.release(handle, as: SharedDescriptor.self)
            }
            guard let object: IncomingHandle = Handles.object(handle) else { return }
            object.tree.release(object)
            Handles.release(handle, as: IncomingHandle.self)
        default: return
        }
    }

    func forget(_ number: UInt64, count: UInt64) {
        switch try? place(number) {
        case .tree(let tree): tree.forget(number, count: count)
        case .search(.folder(let folder)): passingSearches.forget(folder, count: count)
        default: break
        }
    }

    /// A snapshot for a directory of a tree or of `/search`; `nil` for one that is listed by rows.
    func openDirectory(_ number: UInt64) throws(Errno) -> DirectorySnapshot? {
        switch try place(number) {
        case .tree(let tree): try tree.openDirectory(number)
        case .search(let place): try snapshot(of: place)
        default: nil
        }
    }

    func readDirectory(
        _ number: UInt64, snapshot: DirectorySnapshot?, after cookie: Int, plus: Bool,
        into buffer: inout DirectoryBuffer
    ) throws(Errno) {
        // rewinddir(3) shall show what has come since.
        if cookie == 0, let snapshot, let fresh = try openDirectory(number) {
            snapshot.entries = fresh.entries
        }
        switch try place(number) {
        case .tree(let tree):
            guard let snapshot else { throw Errno(EBADF) }
            tree.list(snapshot, of: number, after: cookie, plus: plus, into: &buffer)
        case .search(let place):
            try list(snapshot, of: place, after: cookie, plus: plus, into: &buffer)
        default: try list(number, after: cookie, plus: plus, into: &buffer)
        }
    }
}
