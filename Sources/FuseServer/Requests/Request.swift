import CFuse3
import Glibc
import System

/// What a request is answered with when it succeeds.
enum Reply {
    case done
    /// LOOKUP and MKDIR.
    case entry(fuse_entry_param)
    /// The seconds are those for which the kernel may keep the attributes.
    case attributes(stat, timeout: Double)
    /// WRITE: how many bytes.
    case written(Int)
    /// LSEEK.
    case position(Int)
    case statistics(statvfs)
    /// GETXATTR and LISTXATTR: the value, and how many bytes of it the caller has room for; 0
    /// asks how many it takes.
    case extendedAttribute([UInt8], size: Int)
}

/// libfuse's own name of a request. It may be answered from any thread, once.
struct RawRequest: @unchecked Sendable {
    let pointer: fuse_req_t
}

/// A request of the kernel, to be answered exactly once: every answer consumes it, and one that is
/// dropped without an answer becomes EIO instead of a program that waits forever.
struct Request: ~Copyable {
    private let raw: fuse_req_t

    init(_ raw: fuse_req_t) { self.raw = raw }

    /// What ``waiting()`` gave.
    init(_ waiting: RawRequest) { self.init(waiting.pointer) }

    /// The request for a closure, which cannot hold it as it is: it makes it a request again, and
    /// answers.
    consuming func waiting() -> RawRequest {
        let raw = RawRequest(pointer: raw)
        discard self
        return raw
    }

    deinit { fuse_reply_err(raw, EIO) }

    /// Hands the duty to answer over to another thread.
    ///
    /// - Parameter cause: Which signals may end the wait with EINTR; none when it is left out.
    consuming func deferred(until cause: Interruptions.Cause? = nil) -> DeferredReply {
        let thread = callingThread
        let reply = DeferredReply(RawRequest(pointer: raw))
        discard self
        if let cause { reply.allowInterruption(of: thread, by: cause) }
        return reply
    }

    consuming func error(_ errno: Errno) {
        fuse_reply_err(raw, errno.code)
        discard self
    }

    consuming func ok() {
        fuse_reply_err(raw, 0)
        discard self
    }

    consuming func send(_ reply: Reply) {
        switch reply {
        case .done: fuse_reply_err(raw, 0)
        case .entry(var entry): fuse_reply_entry(raw, &entry)
        case .attributes(var attributes, let timeout): fuse_reply_attr(raw, &attributes, timeout)
        case .written(let count): fuse_reply_write(raw, count)
        case .position(let offset): fuse_reply_lseek(raw, offset)
        case .statistics(var statistics): fuse_reply_statfs(raw, &statistics)
        case .extendedAttribute(let value, size: 0): fuse_reply_xattr(raw, value.count)
        case .extendedAttribute(let value, let size) where value.count > size:
            fuse_reply_err(raw, ERANGE)
        case .extendedAttribute(let value, _):
            value.withUnsafeBytes { value in
                _ = fuse_reply_buf(raw, value.bindMemory(to: CChar.self).baseAddress, value.count)
            }
        }
        discard self
    }

    consuming func none() {
        fuse_reply_none(raw)
        discard self
    }

    /// - Returns: False when the caller had gone, so that the file is not open.
    consuming func created(_ entry: fuse_entry_param, _ info: fuse_file_info) -> Bool {
        var entry = entry
        var info = info
        let result = fuse_reply_create(raw, &entry, &info)
        discard self
        return result != -ENOENT
    }

    /// - Returns: False when the caller had gone, so that the file is not open.
    consuming func opened(_ info: fuse_file_info) -> Bool {
        var info = info
        let result = fuse_reply_open(raw, &info)
        discard self
        return result != -ENOENT
    }

    /// Answers OPEN with a backing file, which libfuse 3.14 has no call for.
    consuming func opened(handle: UInt64, backing: Int32) -> Bool {
        var reply = PassthroughOpen(handle: handle, backing: backing)
        let result = withUnsafeBytes(of: &reply) {
            fuse_reply_buf(raw, $0.bindMemory(to: CChar.self).baseAddress, $0.count)
        }
        discard self
        return result != -ENOENT
    }

    consuming func bytes(_ bytes: ArraySlice<UInt8>) {
        bytes.withUnsafeBytes { bytes in
            _ = fuse_reply_buf(raw, bytes.bindMemory(to: CChar.self).baseAddress, bytes.count)
        }
        discard self
    }

    consuming func bytes(_ bytes: UnsafeRawBufferPointer) {
        _ = fuse_reply_buf(raw, bytes.bindMemory(to: CChar.self).baseAddress, bytes.count)
        discard self
    }

    /// Answers READ from a file, without a copy where the kernel can splice.
    consuming func data(from descriptor: SharedDescriptor, offset: Int, count: Int) {
        var vector = fuse_bufvec()
        vector.count = 1
        vector.buf.size = count
        vector.buf.flags = fuse_buf_flags(
            rawValue: FUSE_BUF_IS_FD.rawValue | FUSE_BUF_FD_SEEK.rawValue)
        vector.buf.fd = descriptor.number
        vector.buf.pos = offset
        fuse_reply_data(raw, &vector, FUSE_BUF_SPLICE_MOVE)
        withExtendedLifetime(descriptor) {}
        discard self
    }

    /// Fills a buffer of `size` bytes with directory entries and answers with them.
    consuming func entries(size: Int, _ fill: (inout DirectoryBuffer) throws(Errno) -> Void) {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 8)
        defer { memory.deallocate() }
        var buffer = DirectoryBuffer(request: raw, memory: memory)
        do throws(Errno) {
            try fill(&buffer)
            fuse_reply_buf(raw, memory.bindMemory(to: CChar.self).baseAddress, buffer.used)
        } catch {
            fuse_reply_err(raw, error.code)
        }
        discard self
    }

    /// The thread that waits.
    var callingThread: CallingThread { CallingThread(id: fuse_req_ctx(raw)?.pointee.pid ?? 0) }

    /// The user and group that the request is made as.
    var caller: FileOwner {
        guard let context = fuse_req_ctx(raw) else {
            return FileOwner(uid: getuid(), gid: getgid())
        }
        return FileOwner(uid: context.pointee.uid, gid: context.pointee.gid)
    }

    /// The further groups of the caller; none where they cannot be found out.
    ///
    /// See: 'man 5 proc_pid_status', Groups
    var groups: [gid_t] {
        var list = [gid_t](repeating: 0, count: 64)
        var count = Int(fuse_req_getgroups(raw, Int32(list.count), &list))
        if count > list.count {
            list = [gid_t](repeating: 0, count: count)
            count = min(count, Int(fuse_req_getgroups(raw, Int32(list.count), &list)))
        }
        return Array(list.prefix(max(0, count)))
    }
}

/// Directory entries on their way to the kernel.
struct DirectoryBuffer {
    fileprivate let request: fuse_req_t?
    fileprivate let memory: UnsafeMutableRawBufferPointer
    fileprivate(set) var used = 0
    /// The cookie of the last entry; 0 without any.
    private(set) var last = 0
    /// Whether an entry did not fit.
    private(set) var isFull = false

    /// - Parameter request: libfuse takes it, and does not look at it.
    init(request: fuse_req_t?, memory: UnsafeMutableRawBufferPointer) {
        self.request = request
        self.memory = memory
    }

    /// Adds an entry.
    ///
    /// - Returns: False when it does not fit.
    mutating func add(_ name: UnsafePointer<CChar>, _ attributes: stat, cookie: Int) -> Bool {
        var attributes = attributes
        let free = memory.count - used
        let need = fuse_add_direntry(
            request, memory.baseAddress?.advanced(by: used).assumingMemoryBound(to: CChar.self),
            free,
            name, &attributes, cookie)
        return take(need, cookie: cookie)
    }

    /// Adds an entry of which READDIR gives the name and number. As `fuse_add_direntry`, without a
    /// `struct stat` for each of a million.
    ///
    /// - Parameter type: DT_REG or DT_DIR.
    /// - Returns: False when it does not fit.
    mutating func add(_ name: UnsafeRawBufferPointer, inode: UInt64, type: Int, cookie: Int) -> Bool
    {
        // struct fuse_dirent of linux/fuse.h: ino, off, namelen, type, name; filled up to eight.
        guard let start = name.baseAddress else { return true }
        let length = name.count
        let size = (24 + length + 7) & ~7
        guard used + size <= memory.count else { return take(size, cookie: cookie) }
        memory.storeBytes(of: 0, toByteOffset: used + size - 8, as: UInt64.self)
        memory.storeBytes(of: inode, toByteOffset: used, as: UInt64.self)
        memory.storeBytes(of: UInt64(cookie), toByteOffset: used + 8, as: UInt64.self)
        memory.storeBytes(of: UInt32(length), toByteOffset: used + 16, as: UInt32.self)
        memory.storeBytes(of: UInt32(type), toByteOffset: used + 20, as: UInt32.self)
        memory.baseAddress?.advanced(by: used + 24).copyMemory(from: start, byteCount: length)
        return take(size, cookie: cookie)
    }

    /// Counts an entry, if it fits.
    private mutating func take(_ size: Int, cookie: Int) -> Bool {
        guard used + size <= memory.count else {
            isFull = true
            return false
        }
        used += size
        last = cookie
        return true
    }

    /// Adds an entry of which no look-up is counted: `.`, `..`, and entries that the kernel looks
    /// up when it needs more of them.
    mutating func add(_ name: UnsafePointer<CChar>, _ attributes: stat, cookie: Int, plus: Bool)
        -> Bool
    {
        guard plus else { return add(name, attributes, cookie: cookie) }
        var entry = fuse_entry_param()
        entry.attr = attributes
        return add(name, entry, cookie: cookie)
    }

    /// Adds an entry with its attributes (READDIRPLUS).
    ///
    /// - Returns: False when it does not fit.
    mutating func add(_ name: UnsafePointer<CChar>, _ entry: fuse_entry_param, cookie: Int) -> Bool
    {
        var entry = entry
        let free = memory.count - used
        let need = fuse_add_direntry_plus(
            request, memory.baseAddress?.advanced(by: used).assumingMemoryBound(to: CChar.self),
            free,
            name, &entry, cookie)
        return take(need, cookie: cookie)
    }
}
