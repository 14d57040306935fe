import Foundation
import GRDB

// Damage is found where it lies, in the middle of a look-up. A file beside the index says so
// to the next start, which makes the index anew.
extension TagIndex {
    private static func marker(of path: String) -> String { path + ".damaged" }

    /// Why the index at `path` must be made anew; `nil` when it need not.
    public static func damage(of path: String) -> String? {
        guard let text = try? String(contentsOfFile: marker(of: path), encoding: .utf8) else {
            return nil
        }
        return text.isEmpty ? "It was found to be damaged." : text
    }

    /// Called when the index was made anew.
    public static func forgetDamage(of path: String) { unlink(marker(of: path)) }

    /// Runs `body`; damage that it meets is noted, and told in a way that helps.
    static func noting<R>(damageOf path: String, _ body: () throws -> R) throws -> R {
        let reason: String
        do {
            return try body()
        } catch let error as DatabaseError where error.isDamage {
            reason = error.message ?? "\(error.resultCode)"
        } catch let error as IndexError where error.code == .corrupt {
            reason = error.message
        }
        try? Data("It was damaged: \(reason).".utf8).write(to: URL(filePath: marker(of: path)))
        throw IndexError(
            code: .corrupt,
            message:
                "\(path) is damaged: \(reason). No image is affected: unmount the archive and mount it again, which makes the index anew from the ledger."
        )
    }

    /// Looks at every page (PRAGMA quick_check).
    ///
    /// - throws: ``IndexError`` with code ``IndexError/Code/corrupt`` when one does not fit
    public func check() throws {
        let answer = try read { try String.fetchOne($0.db, sql: "PRAGMA quick_check(1)") }
        guard answer == "ok" else {
            throw IndexError(
                code: .corrupt, message: "\(path) is damaged: \(answer ?? "no answer").")
        }
    }
}

extension DatabaseError {
    /// The file is not what SQLite wrote.
    var isDamage: Bool { resultCode == .SQLITE_CORRUPT || resultCode == .SQLITE_NOTADB }
}

extension IndexError {
    /// Whether an error says that an index is of no use, whatever it was that failed.
    public static func isDamage(_ error: any Error) -> Bool {
        switch error {
        case let error as IndexError: error.code == .corrupt
        // Tables that are not there, rows that cannot be: not what this program wrote.
        case let error as DatabaseError:
            error.isDamage
                || [.SQLITE_ERROR, .SQLITE_CONSTRAINT, .SQLITE_MISMATCH].contains(error.resultCode)
        case is DecodingError: true
        default: false
        }
    }
}
