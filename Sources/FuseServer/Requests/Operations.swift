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

/// Answers a request with what `body` returns, or with the error it throws.
func answer(
    _ request: fuse_req_t?, _ body: (FileSystem, borrowing Request) throws(Errno) -> Reply
) {
    let fileSystem = fileSystem(request)
    let request = taken(request)
    do throws(Errno) {
        let reply = try body(fileSystem, request)
        request.send(reply)
    } catch {
        request.error(error)
    }
}

/// The bytes of a name.
func bytes(_ name: UnsafePointer<CChar>?) -> [UInt8] {
    name.map { [UInt8](cString: $0) } ?? []
}

enum Operations {
    static func table() -> fuse_lowlevel_ops {
        var operations = fuse_lowlevel_ops()
        addSession(to: &operations)
        addLookup(to: &operations)
        addAttributes(to: &operations)
        addExtendedAttributes(to: &operations)
        addOpen(to: &operations)
        addReadAndWrite(to: &operations)
        addDirectories(to: &operations)
        addNames(to: &operations)
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
}
