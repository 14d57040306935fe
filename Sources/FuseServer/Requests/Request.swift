import CFuse3
import Glibc
import System

/// A request of the kernel, to be answered exactly once: every answer consumes it, and one
/// that is dropped without an answer becomes EIO instead of a caller that waits for ever.
struct Request: ~Copyable {
    private let raw: fuse_req_t

    init(_ raw: fuse_req_t) { self.raw = raw }

    deinit { fuse_reply_err(raw, EIO) }

    /// Hands the duty to answer to somebody who does so later, from another thread.
    consuming func deferred() -> DeferredReply {
        let raw = raw
        let reply = DeferredReply { fuse_reply_err(raw, $0) }
        discard self
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

    consuming func none() {
        fuse_reply_none(raw)
        discard self
    }

    consuming func entry(_ entry: fuse_entry_param) {
        var entry = entry
        fuse_reply_entry(raw, &entry)
        discard self
    }

    /// - returns: false when the caller had gone, so that the file is not open after all
    consuming func created(_ entry: fuse_entry_param, _ info: fuse_file_info) -> Bool {
        var entry = entry
        var info = info
        let result = fuse_reply_create(raw, &entry, &info)
        discard self
        return result != -ENOENT
    }

    /// - returns: false when the caller had gone, so that the file is not open after all
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

    /// - parameter timeout: seconds for which the kernel may keep the attributes
    consuming func attributes(_ attributes: stat, timeout: Double) {
        var attributes = attributes
        fuse_reply_attr(raw, &attributes, timeout)
        discard self
    }

    consuming func written(_ count: Int) {
        fuse_reply_write(raw, count)
        discard self
    }

    consuming func position(_ offset: Int) {
        fuse_reply_lseek(raw, offset)
        discard self
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
    consuming func data(from descriptor: Int32, offset: Int, count: Int) {
        var vector = fuse_bufvec()
        vector.count = 1
        vector.buf.size = count
        vector.buf.flags = fuse_buf_flags(
            rawValue: FUSE_BUF_IS_FD.rawValue | FUSE_BUF_FD_SEEK.rawValue)
        vector.buf.fd = descriptor
        vector.buf.pos = offset
        fuse_reply_data(raw, &vector, FUSE_BUF_SPLICE_MOVE)
        discard self
    }

    /// Answers GETXATTR and LISTXATTR.
    ///
    /// - parameter size: how much the caller has room for; 0 when he asks how much it takes
    consuming func extendedAttribute(_ value: [UInt8], size: Int) {
        if size == 0 {
            fuse_reply_xattr(raw, value.count)
        } else if value.count > size {
            fuse_reply_err(raw, ERANGE)
        } else {
            value.withUnsafeBytes { value in
                _ = fuse_reply_buf(raw, value.bindMemory(to: CChar.self).baseAddress, value.count)
            }
        }
        discard self
    }

    consuming func statistics(_ statistics: statvfs) {
        var statistics = statistics
        fuse_reply_statfs(raw, &statistics)
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

    /// Who asks.
    var caller: FileOwner {
        guard let context = fuse_req_ctx(raw) else {
            return FileOwner(uid: getuid(), gid: getgid())
        }
        return FileOwner(uid: context.pointee.uid, gid: context.pointee.gid)
    }

    /// The further groups of who asks; none where they cannot be found out (proc(5),
    /// /proc/PID/status).
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

    /// - parameter request: libfuse wants it, and looks at nothing of it
    init(request: fuse_req_t?, memory: UnsafeMutableRawBufferPointer) {
        self.request = request
        self.memory = memory
    }

    /// Adds an entry; false when it does not fit any more.
    mutating func add(_ name: UnsafePointer<CChar>, _ attributes: stat, cookie: Int) -> Bool {
        var attributes = attributes
        let free = memory.count - used
        let need = fuse_add_direntry(
            request, memory.baseAddress?.advanced(by: used).assumingMemoryBound(to: CChar.self),
            free,
            name, &attributes, cookie)
        return take(need, cookie: cookie)
    }

    /// Adds an entry that is told by its name and number only (READDIR); false when it does not
    /// fit any more. As `fuse_add_direntry`, without a `struct stat` for each of a million.
    ///
    /// - parameter type: DT_REG or DT_DIR
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

    /// Counts an entry in, if it fits.
    private mutating func take(_ size: Int, cookie: Int) -> Bool {
        guard used + size <= memory.count else {
            isFull = true
            return false
        }
        used += size
        last = cookie
        return true
    }

    /// Adds an entry of which no look-up is counted: `.`, `..`, and what the kernel shall ask
    /// for when it wants to know more.
    mutating func add(_ name: UnsafePointer<CChar>, _ attributes: stat, cookie: Int, plus: Bool)
        -> Bool
    {
        guard plus else { return add(name, attributes, cookie: cookie) }
        var entry = fuse_entry_param()
        entry.attr = attributes
        return add(name, entry, cookie: cookie)
    }

    /// Adds an entry with its attributes (READDIRPLUS); false when it does not fit any more.
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

/// An answer that is given later. Like ``Request``, it answers EIO when it is dropped.
final class DeferredReply: @unchecked Sendable {
    // `send` is written only here and in `answer`; the caller that holds the last reference
    // or the one completion that is called once are its only users. libfuse allows an
    // answer from any thread.
    private var send: ((Int32) -> Void)?

    /// - parameter send: takes an error number or 0, from any thread
    init(_ send: @escaping (Int32) -> Void) { self.send = send }

    deinit {
        guard let send else { return }
        // Whoever was to answer has a mistake in him. The log is where this goes.
        let line = Array("A request was answered with EIO because nobody else answered it.\n".utf8)
        _ = Glibc.write(STDERR_FILENO, line, line.count)
        send(EIO)
    }

    /// Answers 0 or the error.
    func answer(_ result: Result<Void, Errno>) {
        guard let send else { return }
        self.send = nil
        switch result {
        case .success: send(0)
        case .failure(let errno): send(errno.code)
        }
    }
}
