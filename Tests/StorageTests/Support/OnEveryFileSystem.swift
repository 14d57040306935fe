import Foundation
import System
import TestSupport
import Testing

@testable import Storage

/// Runs each test of a suite on every file system that can be had here.
struct OnEveryFileSystem: SuiteTrait, TestTrait, TestScoping {
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
            try await TemporaryFolder.$parent.withValue(Self.directory(on: kind)) {
                try await saying.provideScope(for: test, testCase: testCase, performing: function)
            }
        }
    }

    private static let disks = Lock<[FileSystemKind: String]>([:])

    /// A directory on the file system for temporary folders.
    ///
    /// The disk is unmounted as soon as it was mounted, and lives on in a descriptor of this
    /// process: whatever becomes of that, nothing is left.
    static func directory(on kind: FileSystemKind) throws -> String {
        if kind == .plain { return TemporaryFolder.parent }
        return try disks.withLock { disks in
            if let known = disks[kind] { return known }
            let point = try TemporaryFolder()
            let disk = try LoopDisk(kind, at: point.path)
            defer { disk.unplug() }
            let descriptor = open(point.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            guard descriptor >= 0 else {
                throw ProgramError(description: "\(point.path): \(lastError)")
            }
            let path = "/proc/\(getpid())/fd/\(descriptor)"
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
