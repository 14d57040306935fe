import Foundation
import Storage

/// A folder that goes when the test ends: below `PACSFS_TEST_TMP`, or `/tmp`.
public final class TemporaryFolder: Sendable {
    public let path: String

    public init() throws {
        let parent = ProcessInfo.processInfo.environment["PACSFS_TEST_TMP"] ?? "/tmp"
        path = parent + "/pacsfs-test-" + VolumeIdentity.randomIdentifier()
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    public func path(_ name: String) -> String { path + "/" + name }

    /// Writes a file, with the directories above it.
    ///
    /// - returns: its absolute path
    @discardableResult
    public func write(_ bytes: some Sequence<UInt8>, to name: String) throws -> String {
        let file = path(name)
        try FileManager.default.createDirectory(
            atPath: (file as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        try Data(bytes).write(to: URL(fileURLWithPath: file))
        return file
    }
}

/// The bytes of a file.
public func contents(of path: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
}

/// The regular files below a directory, by their path in it, sorted.
public func files(below path: String) throws -> [String] {
    try FileManager.default.subpathsOfDirectory(atPath: path).filter { name in
        var status = stat()
        return lstat(path + "/" + name, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
    }.sorted()
}

/// Waits until `condition` holds.
///
/// - parameter seconds: after which it gives up
/// - returns: whether it did hold
public func eventually(within seconds: Double = 30, _ condition: () throws -> Bool) rethrows -> Bool
{
    let end = Date(timeIntervalSinceNow: seconds)
    while Date() < end {
        if try condition() { return true }
        usleep(5_000)
    }
    return try condition()
}
