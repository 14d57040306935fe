import Archive
import Foundation
import Offsite
import Storage
import System

/// What `--from` and `--sheet` say about where an archive is brought back from.
struct RestorePlace {
    private let from: String?
    private let sheet: String?

    init(_ from: String?, _ sheet: String?) {
        (self.from, self.sheet) = (from, sheet)
    }

    /// - Throws: ``ArchiveError`` when the sheet is mistyped; ``CommandError`` when there is no
    ///   such place; `OffsiteError` when rclone does not know it.
    func origin() throws -> RestoreOrigin {
        guard let sheet else { return try written(from ?? "") }
        let remotes = try TypedSheet(sheet == "-" ? Self.typed() : Self.text(of: sheet)).remotes
        guard let from else {
            guard remotes.count == 1 else {
                throw CommandError(
                    .wrongArgument, "The sheet has several remotes: \(Self.names(remotes))",
                    remedy: "Name one of them with --from.")
            }
            return .remote(remotes[0])
        }
        guard let remote = remotes.first(where: { $0.name == from }) else {
            throw CommandError(
                .notFound, "The sheet has no remote \"\(from)\", but \(Self.names(remotes))",
                remedy: "Name one of these with --from.")
        }
        return .remote(remote)
    }

    private static func names(_ remotes: [RemoteSecrets]) -> String {
        remotes.map { "\"\($0.name)\"" }.joined(separator: ", ")
    }

    /// A folder, or a remote of rclone that is not encrypted.
    private func written(_ text: String) throws -> RestoreOrigin {
        let path = Paths.absolute(text)
        if !text.contains(":") || FileManager.default.fileExists(atPath: path) {
            return .folder(path)
        }
        let location = try Rclone().location(of: text)
        return .remote(
            RemoteSecrets(
                name: "source", id: VolumeIdentity.randomIdentifier(), location: location,
                keys: nil))
    }

    private static func text(of path: String) throws -> String {
        let path = Paths.absolute(path)
        do throws(Errno) {
            return String(decoding: try RegularFile.content(of: path), as: UTF8.self)
        } catch {
            throw CommandError.unreadable(path, error)
        }
    }

    /// Lines that a person types, each of which is checked at once.
    private static func typed() -> String {
        let isTerminal = isatty(STDIN_FILENO) == 1
        if isTerminal {
            StandardError.write(
                """
                Type the numbered lines of the recovery sheet: number, name, value and the word. \
                An empty line ends.

                """)
        }
        var lines: [String] = []
        while let line = readLine() {
            if isTerminal, line.isEmpty { break }
            if isTerminal, case .mistyped(let number) = TypedSheet.check(line) {
                StandardError.write("Line \(number) is mistyped. Type it again.\n")
                continue
            }
            lines.append(line)
        }
        return lines.joined(separator: "\n")
    }
}
