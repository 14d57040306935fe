import CFuse3
import Glibc
import System

// Each of these is answered for every kind of handle: the kernel keeps some of the combinations
// from happening, such as WRITE to a file that is open for reading only, but not all.
extension Operations {
    /// READ, WRITE, FLUSH, FSYNC, FALLOCATE and LSEEK.
    static func addReadAndWrite(to operations: inout fuse_lowlevel_ops) {
        operations.read = { request, _, size, offset, info in
            let handle = info?.pointee.fh ?? 0
            let request = taken(request)
            switch OpenObject.kind(of: handle) {
            case .image(let image):
                let waiting = request.waiting()
                let images = fileSystem(waiting.pointer).images
                image.lane.run(isAbandoned: RequestBuffer.takeOver) {
                    do throws(Errno) {
                        let (descriptor, disk) = try images.reading(image)
                        let read = {
                            Request(waiting).data(from: descriptor, offset: offset, count: size)
                        }
                        guard let disk else { return read() }
                        if !disk.callHere(read) { throw Errno(EIO) }
                    } catch {
                        Request(waiting).error(error)
                    }
                }
            case .text(let bytes, _), .document(let bytes):
                let start = min(Int(offset), bytes.count)
                request.bytes(bytes[start..<min(start + size, bytes.count)])
            case .file(let file):
                do throws(Errno) {
                    let descriptor = try file.tree.descriptor(of: file)
                    request.data(from: descriptor, offset: offset, count: size)
                } catch {
                    request.error(error)
                }
            case .rejected(let file): request.data(from: file, offset: offset, count: size)
            case .directory: request.error(Errno(EISDIR))
            case nil: request.error(Errno(EBADF))
            }
        }
        operations.write = { request, _, buffer, size, offset, info in
            answer(request) { (_, _) throws(Errno) in
                let file = try Operations.writableFile(info)
                let bytes = UnsafeRawBufferPointer(start: buffer, count: size)
                return .written(try file.tree.write(file, bytes, offset: offset))
            }
        }
        operations.flush = { request, _, info in
            let file = OpenObject.kind(of: info?.pointee.fh ?? 0)?.file
            let request = taken(request)
            guard let file else { return request.ok() }
            if file.canWrite, request.callingThread.isKilled {
                // Nobody hears the answer, and a program that is ending cannot be interrupted.
                file.tree.flush(file, wasKilled: true, replyingTo: DeferredReply { _ in })
                return request.ok()
            }
            file.tree.flush(file, replyingTo: request.deferred(until: .anySignal))
        }
        operations.fsync = { request, _, dataOnly, info in
            answer(request) { (_, _) throws(Errno) in
                switch OpenObject.kind(of: info?.pointee.fh ?? 0) {
                case .file(let file): try file.tree.sync(file, dataOnly: dataOnly != 0)
                // What views show is durable before it is shown.
                case .image, .text, .document, .rejected: break
                case .directory, nil: throw Errno(EBADF)
                }
                return .done
            }
        }
        operations.fallocate = { request, _, mode, offset, length, info in
            answer(request) { (_, _) throws(Errno) in
                let file = try Operations.writableFile(info)
                try file.tree.allocate(file, mode: mode, offset: offset, length: length)
                return .done
            }
        }
        operations.lseek = { request, number, offset, whence, info in
            answer(request) { (fileSystem, _) throws(Errno) in
                switch OpenObject.kind(of: info?.pointee.fh ?? 0) {
                case .file(let file):
                    return .position(try file.tree.seek(file, to: Int(offset), whence: whence))
                case .document(let bytes):
                    return .position(
                        try Operations.seek(to: Int(offset), whence: whence, size: bytes.count))
                case .image, .text, .rejected:
                    let size = try fileSystem.attributes(of: number).st_size
                    return .position(
                        try Operations.seek(to: Int(offset), whence: whence, size: size))
                case .directory, nil: throw Errno(EBADF)
                }
            }
        }
    }

    /// - Throws: EBADF for a handle that nothing is written through.
    private static func writableFile(
        _ info: UnsafeMutablePointer<fuse_file_info>?
    ) throws(Errno) -> IncomingHandle {
        guard let file = OpenObject.kind(of: info?.pointee.fh ?? 0)?.file else {
            throw Errno(EBADF)
        }
        return file
    }

    /// SEEK_DATA and SEEK_HOLE in a file without holes.
    ///
    /// - Throws: ENXIO beyond the end of the file.
    private static func seek(to offset: Int, whence: Int32, size: Int) throws(Errno) -> Int {
        guard (0..<size).contains(offset) else { throw Errno(ENXIO) }
        // See: 'man 2 lseek'; both are declared under _GNU_SOURCE only.
        switch whence {
        case 3: return offset
        case 4: return size
        default: throw Errno(EINVAL)
        }
    }
}
