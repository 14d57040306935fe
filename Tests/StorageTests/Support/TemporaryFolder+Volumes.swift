import Foundation
import SyntheticStudy
import System
import TestSupport
import Testing

@testable import Storage

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
        try write(content, to: name)
        return try Directory.open(path: path).openFile(name)
    }
}

func write(_ content: [UInt8], to path: String) throws { try Files.write(content, to: path) }

func read(_ path: String) throws -> [UInt8] { try Files.read(path) }

func text(_ path: String) throws -> String { try Files.text(path) }

/// Bytes that look random and are the same for the same seed.
func content(_ seed: UInt64, count: Int = 1000) -> [UInt8] {
    var random = SeededRandom(seed: seed)
    return (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
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
