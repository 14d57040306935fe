import Glibc
import Testing

/// The `pacsfs` that is tested.
enum PacsfsProgram {
    /// `PACSFS_BINARY`, or the one that was built with these tests: it lies in a directory
    /// above the running test program. `nil` when there is none.
    static let path: String? = {
        if let path = getenv("PACSFS_BINARY") { return String(cString: path) }
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = readlink("/proc/self/exe", &buffer, buffer.count)
        var directory = String(decoding: buffer.prefix(max(count, 0)), as: UTF8.self)
        while let slash = directory.lastIndex(of: "/") {
            directory = String(directory[..<slash])
            if isProgram(directory + "/pacsfs") { return directory + "/pacsfs" }
        }
        return nil
    }()

    private static func isProgram(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG && access(path, X_OK) == 0
    }

    /// Whether anything can be mounted here.
    static let canMount = access("/dev/fuse", R_OK | W_OK) == 0

    static let cannotMount: Comment = "there is no /dev/fuse to mount with"
}

/// How images are read over the mount.
enum ReadMode: String, CaseIterable, Sendable, CustomTestStringConvertible {
    /// By the kernel itself, where it can do that (Linux 6.9, as root); as good as it can elsewhere.
    case passthrough
    /// Through the daemon and the kernel's page cache.
    case cached

    var arguments: [String] { self == .cached ? ["--no-passthrough"] : [] }
    var testDescription: String { self == .cached ? "through the daemon" : "passthrough" }

    /// Whether this kernel, and this user, can pass reads through.
    static let hasPassthrough: Bool = {
        var name = utsname()
        uname(&name)
        let release = withUnsafeBytes(of: &name.release) { bytes in
            String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
        let numbers = release.split { !$0.isNumber }.prefix(2).compactMap { Int($0) }
        return geteuid() == 0 && numbers.count == 2 && (numbers[0], numbers[1]) >= (6, 9)
    }()
}
