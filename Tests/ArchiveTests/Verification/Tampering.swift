import TestSupport
import Archive
import Foundation
import Storage
import TemporaryArchive
import Testing

extension TemporaryArchive {
    /// The findings of `pacsfs verify`.
    func verify(head: String? = nil, volumes: [String] = []) throws -> VerificationReport {
        let verification = try Verification(
            archive: path, volumes: volumes, head: head.map { try #require(Verification.Head($0)) })
        return try #require(try verification.run())
    }

    /// The lines of a volume's ledger without their newlines, all segments together.
    func lines(on number: Int) throws -> [String] {
        try segments(on: number).flatMap {
            try contents(of: $0).split(separator: UInt8(ascii: "\n"))
        }
        .map { String(decoding: $0, as: UTF8.self) }
    }

    /// The files of a volume's ledger.
    func segments(on number: Int) throws -> [String] {
        let folder = volumes[number - 1] + "/ledger"
        return try files(below: folder).map { folder + "/" + $0 }
    }

    /// Rewrites the ledger of a volume, with each portion of lines as a segment.
    func rewrite(_ segments: [[String]], on number: Int) throws {
        let old = try self.segments(on: number)
        let folder = (try #require(old.first) as NSString).deletingLastPathComponent
        for file in old { try FileManager.default.removeItem(atPath: file) }
        for (index, lines) in segments.enumerated() {
            try overwrite(
                "\(folder)/00000\(index + 1).jsonl",
                with: lines.flatMap { Array($0.utf8) + [UInt8(ascii: "\n")] })
        }
    }
}

/// Lines with hashes that follow from the first on, as somebody would write them who knows how.
func rechained(_ lines: [String]) -> [String] {
    var previous = Digest.zero
    return lines.map { line in
        let line = line.replacing(#/"prev":"[0-9a-f]{64}"/#, with: "\"prev\":\"\(previous.hex)\"")
        previous = Digest.of(Array(line.utf8))
        return line
    }
}

/// Writes a file in place, whatever its mode says, or makes it.
func overwrite(_ path: String, with bytes: [UInt8]) throws {
    chmod(path, 0o644)
    let file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
    defer { close(file) }
    try #require(write(file, bytes, bytes.count) == bytes.count)
}

/// Changes a file, and changes it back after `body`.
func withChanged<R>(
    _ path: String, _ change: (inout [UInt8]) -> Void, _ body: () throws -> R
) throws -> R {
    let before = try contents(of: path)
    var bytes = before
    change(&bytes)
    try overwrite(path, with: bytes)
    defer { try? overwrite(path, with: before) }
    return try body()
}
