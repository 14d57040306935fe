import Foundation

/// `Scripts/check-archive`: checks an archive with nothing of pacsfs but its formats.
public struct ArchiveCheck {
    /// A file that was given to an archive.
    public struct Given: Sendable {
        public var path: String
        /// The SHA-256 of its bytes, in hexadecimal.
        public var digest: String
        /// Anything else belongs in `rejected`.
        public var isImage: Bool

        public init(path: String, digest: String, isImage: Bool = true) {
            (self.path, self.digest, self.isImage) = (path, digest, isImage)
        }
    }

    public enum Option: String, Sendable {
        /// Each volume alone must have every acknowledged image, before pacsfs mends anything.
        case alone = "--alone"
        /// Good blobs that no record names are allowed, and blobs that were rejected.
        case afterPowerLoss = "--after-power-loss"
    }

    /// What is wrong. A file that is missing is `LOST`.
    public let problems: [String]

    /// - Parameters:
    ///   - given: All files that the archive ever got.
    ///   - acknowledged: The files that must be there, on every volume.
    ///   - pacsfs: The program whose status is asked first; `nil` asks nothing.
    /// - Throws: ``ProgramError`` when the check itself fails.
    public init(
        archive: String, volumes: [String], given: [Given], acknowledged: [Given],
        asking pacsfs: String? = nil, options: [Option] = []
    ) throws {
        let folder = try TemporaryFolder()
        let known = given.map { "\($0.digest)\t\($0.isImage ? "image" : "other")\t\($0.path)\n" }
        let safe = acknowledged.map { $0.path + "\n" }
        let run = try ProgramRun(
            [
                Self.script, "--archive", archive,
                "--known", try folder.write(known.joined().utf8, to: "known"),
                "--acknowledged", try folder.write(safe.joined().utf8, to: "acknowledged"),
            ] + volumes.flatMap { ["--volume", $0] } + (pacsfs.map { ["--pacsfs", $0] } ?? [])
                + options.map(\.rawValue), timeout: 120)
        let mark = "  PROBLEM: "
        problems = run.lines.filter { $0.hasPrefix(mark) }.map { String($0.dropFirst(mark.count)) }
        guard run.code == (problems.isEmpty ? 0 : 1) else {
            throw ProgramError(description: run.report)
        }
    }

    fileprivate static let script = Package.path + "/Scripts/check-archive"
}

/// The result of checking a volume's ledger by its format alone, as `Scripts/check-archive ledger`
/// does.
public struct LedgerVerdict: Decodable, Equatable {
    /// The number of the first wrong record, and the mistake in it.
    public var fault: String?
    public var records: Int
    /// The SHA-256 of the last line that is right.
    public var head: String
    /// How many records there are of each kind.
    public var kinds: [String: Int]

    /// - Throws: ``ProgramError``.
    public init(volume: String) throws {
        let run = try ProgramRun([ArchiveCheck.script, "ledger", volume])
        guard run.succeeded else { throw ProgramError(description: run.report) }
        self = try run.json(LedgerVerdict.self)
    }
}

/// The folder of the package that these tests are built from.
public enum Package {
    public static let path: String = {
        var folder = #filePath
        while let slash = folder.lastIndex(of: "/") {
            folder = String(folder[..<slash])
            if Files.exists(folder + "/Package.swift") { return folder }
        }
        return "."
    }()
}

/// Where a volume keeps a blob.
///
/// - Parameter digest: The SHA-256 of its bytes, in hexadecimal.
public func blobPath(_ digest: String, on volume: String) -> String {
    "\(volume)/blobs/\(blobName(digest))"
}

/// The same, from the folder of blobs.
public func blobName(_ digest: String) -> String {
    "\(digest.prefix(2))/\(digest.dropFirst(2).prefix(2))/\(digest).dcm"
}
