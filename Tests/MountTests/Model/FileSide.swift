import CLinux
import Glibc
import TestSupport

/// One of the two folders that are compared, and the files open in it. Every operation is one
/// system call, by the same numbers on both sides.
final class FileSide {
    let root: String
    private(set) var handles: [Int32] = []

    /// - Parameter root: An empty folder, which is made.
    init(making root: String) throws {
        guard mkdir(root, 0o755) == 0 else {
            throw ProgramError(description: "\(root): \(lastError)")
        }
        self.root = root
    }

    deinit { for handle in handles { _ = Glibc.close(handle) } }

    private func path(_ name: String) -> String { name == "." ? root : root + "/" + name }

    private func result(_ value: Int32) -> FileOutcome { value < 0 ? .error(errno) : .done }

    private func number(_ value: Int) -> FileOutcome { value < 0 ? .error(errno) : .number(value) }

    func perform(_ operation: FileOperation) -> FileOutcome {
        errno = 0
        return switch operation {
        case .open(let name, let flags, let mode): keep(open(path(name), flags | O_CLOEXEC, mode))
        case .close(let handle): result(Glibc.close(handles.remove(at: handle)))
        case .duplicate(let handle): duplicate(handles[handle])
        case .read(let handle, let count): bytes(count) { read(handles[handle], $0, $1) }
        case .readAt(let handle, let count, let offset):
            bytes(count) { pread(handles[handle], $0, $1, offset) }
        case .write(let handle, let bytes):
            number(bytes.withUnsafeBytes { write(handles[handle], $0.baseAddress, $0.count) })
        case .writeAt(let handle, let bytes, let offset):
            number(
                bytes.withUnsafeBytes { pwrite(handles[handle], $0.baseAddress, $0.count, offset) })
        case .seek(let handle, let offset, let whence): seek(handles[handle], offset, whence)
        case .truncateOpen(let handle, let size): result(ftruncate(handles[handle], size))
        case .truncate(let name, let size): result(Glibc.truncate(path(name), size))
        case .allocate(let handle, let mode, let offset, let count):
            result(fallocate(handles[handle], mode, offset, count))
        case .sync(let handle, let dataOnly):
            result(dataOnly ? fdatasync(handles[handle]) : fsync(handles[handle]))
        case .syncFolder(let name): syncFolder(path(name))
        case .map(let handle, let bytes, let offset): map(handles[handle], bytes, offset)
        case .rename(let name, let newName, let flags):
            result(renameat2(AT_FDCWD, path(name), AT_FDCWD, path(newName), flags))
        case .unlink(let name): result(Glibc.unlink(path(name)))
        case .makeFolder(let name, let mode): result(mkdir(path(name), mode))
        case .removeFolder(let name): result(rmdir(path(name)))
        case .link(let name, let newName): result(Glibc.link(path(name), path(newName)))
        case .symbolicLink(let name): result(symlink("nowhere", path(name)))
        case .makeFIFO(let name): result(mkfifo(path(name), 0o644))
        case .status(let name): status { lstat(path(name), &$0) }
        case .statusOpen(let handle): status { fstat(handles[handle], &$0) }
        case .setMode(let name, let mode): result(chmod(path(name), mode))
        case .setModeOpen(let handle, let mode): result(fchmod(handles[handle], mode))
        case .setOwner(let name, let uid, let gid): result(lchown(path(name), uid, gid))
        case .setTimes(let name, let time):
            result(utimensat(AT_FDCWD, path(name), times(time), AT_SYMLINK_NOFOLLOW))
        case .setTimesOpen(let handle, let time): result(futimens(handles[handle], times(time)))
        case .access(let name, let mode): result(Glibc.access(path(name), mode))
        case .list(let name): list(path(name))
        }
    }

    private func times(_ time: Int) -> [timespec] {
        [timespec(tv_sec: time, tv_nsec: 1), timespec(tv_sec: time + 1, tv_nsec: 2)]
    }

    private func duplicate(_ descriptor: Int32) -> FileOutcome {
        guard handles.count < FileOperations.mostHandles else { return .done }
        // Programs that other tests start meanwhile must not keep it open.
        return keep(fcntl(descriptor, F_DUPFD_CLOEXEC, 0))
    }

    private func keep(_ descriptor: Int32) -> FileOutcome {
        guard descriptor >= 0 else { return .error(errno) }
        handles.append(descriptor)
        return .done
    }

    private func bytes(_ count: Int, _ read: (UnsafeMutableRawPointer?, Int) -> Int) -> FileOutcome
    {
        var buffer = [UInt8](repeating: 0xEE, count: count)
        let done = buffer.withUnsafeMutableBytes { read($0.baseAddress, $0.count) }
        return done < 0 ? .error(errno) : .bytes(Array(buffer.prefix(done)))
    }

    private func seek(_ descriptor: Int32, _ offset: Int, _ whence: Int32) -> FileOutcome {
        var status = stat()
        // Places in a folder are the file system's own affair.
        guard fstat(descriptor, &status) != 0 || status.st_mode & S_IFMT != S_IFDIR else {
            return .done
        }
        return number(lseek(descriptor, offset, whence))
    }

    private func status(_ call: (inout stat) -> Int32) -> FileOutcome {
        var status = stat()
        return call(&status) == 0 ? .status(FileStatus(status)) : .error(errno)
    }

    private func syncFolder(_ path: String) -> FileOutcome {
        let folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard folder >= 0 else { return .error(errno) }
        defer { _ = Glibc.close(folder) }
        return result(fsync(folder))
    }

    /// Writes the part of `bytes` that lies within the file; beyond its end a mapping gives SIGBUS.
    private func map(_ descriptor: Int32, _ bytes: [UInt8], _ offset: Int) -> FileOutcome {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return .error(errno) }
        guard status.st_mode & S_IFMT == S_IFREG, status.st_size > offset else { return .done }
        let memory = mmap(nil, status.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0)
        guard let memory, memory != MAP_FAILED else { return .error(errno) }
        defer { munmap(memory, status.st_size) }
        let count = min(bytes.count, status.st_size - offset)
        UnsafeMutableRawBufferPointer(start: memory + offset, count: count).copyBytes(
            from: bytes.prefix(count))
        // A published difference: incoming takes it for written, and the time changes, only when
        // the kernel passes it on.
        return result(msync(memory, status.st_size, MS_SYNC))
    }

    private func list(_ path: String) -> FileOutcome {
        guard let stream = opendir(path) else { return .error(errno) }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." {
                names.append(name + (entry.pointee.d_type == DT_DIR ? "/" : ""))
            }
        }
        return .names(names.sorted())
    }

    func isFolder(_ name: String) -> Bool { isFolder { lstat(path(name), &$0) } }

    func isFolder(_ handle: Int) -> Bool { isFolder { fstat(handles[handle], &$0) } }

    private func isFolder(_ call: (inout stat) -> Int32) -> Bool {
        var status = stat()
        return call(&status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// Everything below the folder: the answers of stat(2), and the bytes.
    func snapshot() -> [String: [FileOutcome]] {
        var result: [String: [FileOutcome]] = [:]
        func walk(_ folder: String) {
            guard case .names(let names) = perform(.list(folder)) else { return }
            for name in names {
                let path =
                    (folder == "." ? "" : folder + "/")
                    + (name.hasSuffix("/") ? String(name.dropLast()) : name)
                let file = name.hasSuffix("/") ? -1 : open(self.path(path), O_RDONLY | O_CLOEXEC)
                var outcomes = [perform(.status(path))]
                if file >= 0 { outcomes.append(bytes(1 << 20) { pread(file, $0, $1, 0) }) }
                if file >= 0 { _ = Glibc.close(file) }
                result[path] = outcomes
                if name.hasSuffix("/") { walk(path) }
            }
        }
        walk(".")
        return result
    }
}
