import Foundation
import GRDB
import System

// Damage is found in the middle of a look-up. A file beside the index tells the next start
// about it, which then rebuilds the index.
extension TagIndex {
    private static func marker(of path: String) -> String { path + ".damaged" }

    /// Why the index at `path` must be rebuilt; `nil` when it need not.
    public static func damage(of path: String) -> String? {
        guard let content = try? RegularFile.content(of: marker(of: path)) else { return nil }
        let text = String(decoding: content, as: UTF8.self)
        return text.isEmpty ? "It was found to be damaged." : text
    }

    /// Removes the note of damage after the index was rebuilt.
    public static func forgetDamage(of path: String) { unlink(marker(of: path)) }

    /// Runs `body`. If it finds damage, this notes it for the next start, and throws an error that
    /// says what to do.
    static func noting<R>(damageOf path: String, _ body: () throws -> R) throws -> R {
        let reason: String
        do {
            return try body()
        } catch let error as DatabaseError where error.isDamage {
            reason = error.message ?? "\(error.resultCode)"
        } catch let error as IndexError where error.code == .corrupt {
            reason = error.message
        }
        try? Data("It was damaged: \(reason).".utf8)
            .write(to: URL(filePath: marker(of: path)), options: .atomic)
        throw IndexError.corrupt("The index is damaged: \(reason)", path: path)
    }

    /// Checks every page of the file (PRAGMA quick_check).
    ///
    /// - Throws: ``IndexError`` with code ``IndexError/Code/corrupt`` when a page is damaged.
    public func check() throws {
        let answer = try read { try String.fetchOne($0.db, sql: "PRAGMA quick_check(1)") }
        guard answer == "ok" else {
            throw IndexError.corrupt("The index is damaged: \(answer ?? "no answer")", path: path)
        }
    }
}

extension DatabaseError {
    /// Whether the file is not as SQLite wrote it.
    var isDamage: Bool { resultCode == .SQLITE_CORRUPT || resultCode == .SQLITE_NOTADB }
}

extension IndexError {
    /// Whether an error means that the disk of the index is full.
    public static func isFull(_ error: any Error) -> Bool {
        (error as? DatabaseError)?.resultCode == .SQLITE_FULL
    }

    /// Whether an error, of any operation on an index, means that the index is unusable.
    public static func isDamage(_ error: any Error) -> Bool {
        switch error {
        case let error as IndexError: error.code == .corrupt
        // Missing tables or impossible rows: this program did not write them.
        case let error as DatabaseError:
            error.isDamage
                || [.SQLITE_ERROR, .SQLITE_CONSTRAINT, .SQLITE_MISMATCH].contains(error.resultCode)
        case is DecodingError: true
        default: false
        }
    }

    /// Whether an error is one of the database: its file cannot be read or written.
    public static func isOfDatabase(_ error: any Error) -> Bool { error is DatabaseError }
}
