import CFuse3
import Glibc
import System

// The table that libfuse calls. Each entry reads its arguments, asks the file system and
// answers once. It is made in functions, because a closure literal at the top level of a
// program would belong to the main actor and trap on libfuse's threads.

/// What libfuse hands back with every request.
final class SessionContext: Sendable {
    let fileSystem: FileSystem
    let negotiation: InitNegotiation
    let ready: @Sendable () -> Void

    init(
        fileSystem: FileSystem, negotiation: InitNegotiation, ready: @escaping @Sendable () -> Void
    ) {
        self.fileSystem = fileSystem
        self.negotiation = negotiation
        self.ready = ready
    }

    static func of(_ data: UnsafeMutableRawPointer) -> SessionContext {
        Unmanaged<SessionContext>.fromOpaque(data).takeUnretainedValue()
    }
}

/// The file system that a request is for.
func fileSystem(_ request: fuse_req_t?) -> FileSystem {
    guard let data = fuse_req_userdata(request) else {
        preconditionFailure("the session was made with a context")
    }
    return SessionContext.of(data).fileSystem
}

/// The request, which from here on must be answered.
func taken(_ request: fuse_req_t?) -> Request {
    guard let request else { preconditionFailure("libfuse calls with a request") }
    return Request(request)
}

/// The bytes of a name.
func bytes(_ name: UnsafePointer<CChar>?) -> [UInt8] {
    name.map { [UInt8](cString: $0) } ?? []
}

enum Operations {
    static func table() -> fuse_lowlevel_ops {
        var operations = fuse_lowlevel_ops()
        addSession(to: &operations)
        addNames(to: &operations)
        addFiles(to: &operations)
        addDirectories(to: &operations)
        addChanges(to: &operations)
        addExtendedAttributes(to: &operations)
        return operations
    }

    private static func addSession(to operations: inout fuse_lowlevel_ops) {
        operations.`init` = { _, connection in
            guard let connection else { return }
            func want(_ capability: Int32) {
                let bit = UInt32(bitPattern: capability)
                if connection.pointee.capable & bit != 0 { connection.pointee.want |= bit }
            }
            func refuse(_ capability: Int32) {
                connection.pointee.want &= ~UInt32(bitPattern: capability)
            }
            want(FUSE_CAP_SPLICE_WRITE)
            want(FUSE_CAP_SPLICE_MOVE)
            // What is written is hashed on its way, so it must be in memory.
            refuse(FUSE_CAP_SPLICE_READ)
            want(FUSE_CAP_READDIRPLUS)
            want(FUSE_CAP_READDIRPLUS_AUTO)
            want(FUSE_CAP_PARALLEL_DIROPS)
            want(FUSE_CAP_ASYNC_READ)
            // Handles of NFS stay valid when we are started again (doc/README.NFS of libfuse).
            want(FUSE_CAP_EXPORT_SUPPORT)
            // Lets a directory that changed be read again even if its reader was faster than
            // our notice; the times of images never change.
            want(FUSE_CAP_AUTO_INVAL_DATA)
            refuse(FUSE_CAP_WRITEBACK_CACHE)
            connection.pointee.max_background = 64
            connection.pointee.congestion_threshold = 48
            connection.pointee.time_gran = 1
        }
    }

    private static func addNames(to operations: inout fuse_lowlevel_ops) {
        operations.lookup = { request, parent, name in
            let fileSystem = fileSystem(request)
            let request = taken(request)
            do throws(Errno) {
                let entry = try fileSystem.lookup(
                    bytes(name), in: parent, by: request.callingThread)
                request.entry(entry)
            } catch {
                request.error(error)
            }
        }
        operations.forget = { request, number, count in
            fileSystem(request).forget(number, count: count)
            taken(request).none()
        }
        operations.forget_multi = { request, count, list in
            let fileSystem = fileSystem(request)
            for item in UnsafeBufferPointer(start: list, count: count) {
                fileSystem.forget(item.ino, count: item.nlookup)
            }
            taken(request).none()
        }
        operations.getattr = { request, number, _ in
            let fileSystem = fileSystem(request)
            let request = taken(request)
            do throws(Errno) {
                let attributes = try fileSystem.attributes(of: number)
                request.attributes(attributes, timeout: fileSystem.timeout(of: number))
            } catch {
                request.error(error)
            }
        }
        operations.statfs = { request, _ in
            let fileSystem = fileSystem(request)
            let request = taken(request)
            do throws(Errno) {
                let statistics = try fileSystem.statistics()
                request.statistics(statistics)
            } catch {
                request.error(error)
            }
        }
    }

    private static func addDirectories(to operations: inout fuse_lowlevel_ops) {
        operations.opendir = { request, number, info in
            let fileSystem = fileSystem(request)
            let request = taken(request)
            guard var answer = info?.pointee else { return request.error(Errno(EIO)) }
            do throws(Errno) {
                let snapshot = try fileSystem.openDirectory(number)
                let isKept = fileSystem.mayKeepListing(number)
                answer.cache_readdir = isKept ? 1 : 0
                answer.keep_cache = isKept ? 1 : 0
                let handle = Handles.retain(
                    OpenDirectory(snapshot, readingAheadOn: fileSystem.readingAhead))
                answer.fh = handle
                if !request.opened(answer) { Handles.release(handle, as: OpenDirectory.self) }
            } catch {
                request.error(error)
            }
        }
        operations.readdir = { request, number, size, offset, info in
            let fileSystem = fileSystem(request)
            let directory: OpenDirectory? = Handles.object(info?.pointee.fh ?? 0)
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
            let directory: OpenDirectory? = Handles.object(info?.pointee.fh ?? 0)
            // The kernel begins every listing with READDIRPLUS, and goes on so when the program
            // wants the attributes: a million names are not begun with thousands of those.
            let size = offset == 0 ? min(size, 16 << 10) : size
            taken(request).entries(size: size) { buffer throws(Errno) in
                try fileSystem.readDirectory(
                    number, snapshot: directory?.snapshot, after: offset, plus: true, into: &buffer)
            }
        }
        operations.releasedir = { request, _, info in
            if let handle = info?.pointee.fh { Handles.release(handle, as: OpenDirectory.self) }
            taken(request).ok()
        }
        operations.fsyncdir = { request, number, _, _ in
            let fileSystem = fileSystem(request)
            let request = taken(request)
            do throws(Errno) {
                // What views show is durable before it is shown.
                if case .tree(let tree) = try fileSystem.place(number) {
                    try tree.syncDirectory(number)
                }
                request.ok()
            } catch {
                request.error(error)
            }
        }
    }
}

/// Objects that the kernel holds for us, as the number it hands back with each request.
enum Handles {
    static func retain(_ object: some AnyObject) -> UInt64 {
        UInt64(UInt(bitPattern: Unmanaged.passRetained(object).toOpaque()))
    }

    static func object<T: AnyObject>(_ handle: UInt64) -> T? {
        UnsafeRawPointer(bitPattern: UInt(handle)).map {
            Unmanaged<T>.fromOpaque($0).takeUnretainedValue()
        }
    }

    static func release<T: AnyObject>(_ handle: UInt64, as type: T.Type) {
        if let pointer = UnsafeRawPointer(bitPattern: UInt(handle)) {
            Unmanaged<T>.fromOpaque(pointer).release()
        }
    }
}
