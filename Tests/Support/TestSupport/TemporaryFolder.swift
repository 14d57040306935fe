import Foundation
import Testing

/// A folder that goes with everything in it when the test ends.
public final class TemporaryFolder: Sendable {
    /// Where folders are made: below `PACSFS_TEST_TMP`, or `/tmp`. A trait may set another place.
    @TaskLocal public static var parent = ordinaryParent

    private static let ordinaryParent: String = {
        let base = ProcessInfo.processInfo.environment["PACSFS_TEST_TMP"] ?? "/tmp"
        guard let real = realpath(base, nil) else { return base }
        defer { free(real) }
        return String(cString: real)
    }()

    /// Absolute, without symbolic links.
    public let path: String

    /// - Throws: ``ProgramError``.
    public init() throws {
        var template = Array("\(Self.parent)/pacsfs-test-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw ProgramError(
                description: "No folder could be made in \(Self.parent): \(lastError)")
        }
        path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    deinit { try? remove() }

    /// Removes it with everything in it, but nothing that is mounted there.
    ///
    /// - Throws: ``ProgramError``.
    public func remove() throws {
        guard Files.exists(path) else { return }
        keepLogs()
        // Copies of views have folders that nobody but root may empty.
        if geteuid() != 0 {
            _ = try ProgramRun([
                "find", path, "-xdev", "-type", "d", "!", "-perm", "-700", "-exec", "chmod",
                "u+rwx", "{}", "+",
            ])
        }
        let run = try ProgramRun(["rm", "-rf", "--one-file-system", "--", path])
        guard run.succeeded else { throw ProgramError(description: run.report) }
    }

    public func path(_ name: String) -> String { path + "/" + name }

    /// Writes a file, with the folders above it.
    ///
    /// - Returns: Its absolute path.
    /// - Throws: ``ProgramError``.
    @discardableResult
    public func write(_ bytes: some Sequence<UInt8>, to name: String) throws -> String {
        try Files.write(Array(bytes), to: path(name))
        return path(name)
    }

    /// Moves the logs of daemons to `PACSFS_TEST_LOGS`, into a folder named after the test, where
    /// Scripts/test finds them when the test fails.
    public func keepLogs() {
        guard let top = ProcessInfo.processInfo.environment["PACSFS_TEST_LOGS"],
            let test = Test.current
        else { return }
        // As log_folder in Scripts/test-results.
        let file = test.sourceLocation.fileID.replacing("/", with: ".")
        let kept = "\(top)/\(file).\(test.name.prefix { $0 != "(" })"
        for log in logs(below: path, depth: 2) {
            let name = log.dropFirst(path.count + 1).replacing("/", with: "-")
            try? FileManager.default.createDirectory(
                atPath: kept, withIntermediateDirectories: true)
            rename(log, "\(kept)/\((path as NSString).lastPathComponent)-\(name)")
        }
    }

    private func logs(below folder: String, depth: Int) -> [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return names.flatMap { name -> [String] in
            let entry = folder + "/" + name
            if name.hasSuffix(".log") { return [entry] }
            return depth > 0 && Files.isDirectory(entry)
                ? logs(below: entry, depth: depth - 1) : []
        }
    }
}
