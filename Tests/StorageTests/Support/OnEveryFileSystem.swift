import Foundation
import Programs
import System
import Testing

@testable import Storage

/// Runs each test of a suite on every file system that can be had here.
struct OnEveryFileSystem: SuiteTrait, TestTrait, TestScoping {
    /// Where ``TemporaryFolder`` makes folders.
    @TaskLocal static var current = FileSystemKind.plain

    var isRecursive: Bool { true }

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        guard testCase != nil, !test.traits.contains(where: { $0 is OnPlainFolder }) else {
            return try await function()
        }
        for kind in FileSystemKind.testable {
            let saying = IssueHandlingTrait.compactMapIssues { issue in
                var issue = issue
                issue.comments.append("on \(kind.rawValue)")
                return issue
            }
            try await Self.$current.withValue(kind) {
                try await saying.provideScope(for: test, testCase: testCase, performing: function)
            }
        }
    }

    private static let disks = Lock<[FileSystemKind: String]>([:])

    /// A directory on the file system for temporary folders.
    ///
    /// The disk is unmounted as soon as it was mounted, and lives on in a descriptor of this
    /// process: whatever becomes of that, nothing is left.
    static func directory() throws -> String {
        let kind = current
        if kind == .plain { return NSTemporaryDirectory() }
        return try disks.withLock { disks in
            if let known = disks[kind] { return known }
            let point = NSTemporaryDirectory() + "pacsfs-" + VolumeIdentity.randomIdentifier()
            try FileManager.default.createDirectory(
                atPath: point, withIntermediateDirectories: false)
            defer { rmdir(point) }
            let disk = try LoopDisk(kind, at: point)
            defer { disk.unplug() }
            let descriptor = open(point, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            guard descriptor >= 0 else { throw ProgramError(description: "\(point): \(lastError)") }
            let path = "/proc/\(getpid())/fd/\(descriptor)/"
            disks[kind] = path
            return path
        }
    }
}

/// A test that mounts something by itself, or whose folder must be one like any other.
struct OnPlainFolder: TestTrait {}

extension Trait where Self == OnEveryFileSystem {
    static var onEveryFileSystem: Self { OnEveryFileSystem() }
}

extension Trait where Self == OnPlainFolder {
    static var onPlainFolder: Self { OnPlainFolder() }
}
