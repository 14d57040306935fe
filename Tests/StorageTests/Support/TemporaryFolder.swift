import Foundation
import System
import Testing

@testable import Storage

/// A folder that goes when the test ends, on the file system that is being tested.
final class TemporaryFolder: Sendable {
    let path: String

    init() throws {
        path = try OnEveryFileSystem.directory() + "pacsfs-" + VolumeIdentity.randomIdentifier()
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func path(_ name: String) -> String { path + "/" + name }
}

let archive = "6f1d9c1e-1c1b-4a57-9d54-7f2a2f1e0001"

extension TemporaryFolder {
    /// Makes a volume in a folder of its own. It keeps one byte free.
    func volume(_ ordinal: Int = 1, domain: String = "server-room") throws -> Volume {
        try Volume.create(
            at: path("volume\(ordinal)"), archive: archive, ordinal: ordinal, domain: domain,
            reserve: 1)
    }

    /// Opens a volume again, as a process does that starts after a crash.
    func reopen(_ ordinal: Int = 1) throws -> Volume {
        try Volume.open(at: path("volume\(ordinal)"), archive: archive, reserve: 1)
    }

    /// Writes a file and opens it.
    func file(_ name: String, _ content: [UInt8]) throws -> Descriptor {
        try write(content, to: path(name))
        return try Directory.open(path: path).openFile(name)
    }
}

func write(_ content: [UInt8], to path: String) throws {
    let folder = (path as NSString).deletingLastPathComponent
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    // In place: FileManager would make another file of it.
    let file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
    defer { close(file) }
    try FileIO.write(file, content, at: 0, path: path)
}

func read(_ path: String) throws -> [UInt8] {
    try [UInt8](Data(contentsOf: URL(fileURLWithPath: path)))
}

func text(_ path: String) throws -> String { String(decoding: try read(path), as: UTF8.self) }

/// All files below a folder, by their path in it.
func files(below path: String) throws -> [String] {
    var isDirectory: ObjCBool = false
    return try FileManager.default.subpathsOfDirectory(atPath: path).filter {
        FileManager.default.fileExists(atPath: path + "/" + $0, isDirectory: &isDirectory)
            && !isDirectory.boolValue
    }.sorted()
}

/// Bytes that look random and are the same for the same seed.
func content(_ seed: UInt64, count: Int = 1000) -> [UInt8] {
    var state = seed &* 0x9e37_79b9_7f4a_7c15 | 1
    return (0..<count).map { _ in
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return UInt8(truncatingIfNeeded: state >> 32)
    }
}

/// Expects a `StorageError` with a code, and returns it to look at what it says.
@discardableResult
func expectError<Result: ~Copyable>(
    _ code: StorageError.Code, sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () throws -> Result
) -> StorageError? {
    do {
        _ = try body()
        Issue.record("no error was thrown", sourceLocation: sourceLocation)
    } catch let error as StorageError {
        #expect(error.code == code, "\(error)", sourceLocation: sourceLocation)
        return error
    } catch {
        Issue.record("\(error)", sourceLocation: sourceLocation)
    }
    return nil
}
