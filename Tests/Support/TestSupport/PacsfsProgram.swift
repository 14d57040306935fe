import Glibc

/// The `pacsfs` that is tested.
public enum PacsfsProgram {
    /// `PACSFS_BINARY`, or the program that was built with these tests, in a directory above the
    /// running test program; `nil` when there is none.
    public static let path: String? = {
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
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
            && access(path, X_OK) == 0
    }

    /// Whether anything can be mounted here.
    public static let canMount = access("/dev/fuse", R_OK | W_OK) == 0
}
