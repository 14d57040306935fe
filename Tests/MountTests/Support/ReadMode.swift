import Glibc
import TestSupport
import Testing

extension PacsfsProgram {
    static let cannotMount: Comment = "there is no /dev/fuse to mount with"
}

/// How images are read over the mount.
enum ReadMode: String, CaseIterable, Sendable, CustomTestStringConvertible {
    /// By the kernel itself, where it can do that (Linux 6.9, as root); as good as it can
    /// elsewhere.
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
