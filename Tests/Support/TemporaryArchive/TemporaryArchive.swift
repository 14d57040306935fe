import TestSupport
import Archive
import Foundation
import Storage
import System

/// An archive with its volumes in a folder that goes when the test ends.
public final class TemporaryArchive: Sendable {
    public let folder: TemporaryFolder
    public let path: String
    public let volumes: [String]
    public let log = LogLines()

    /// - Parameters:
    ///   - volumes: The number of volumes, each in its own failure domain.
    ///   - settle: Seconds, for `pacsfs.toml`.
    ///   - prepare: Takes the folder before the volumes are made, to mount disks in it.
    public init(
        volumes count: Int = 2, copies: Int = 2, settle: Double = 10,
        prepare: (TemporaryFolder) throws -> Void = { _ in }
    ) throws {
        folder = try TemporaryFolder()
        try prepare(folder)
        path = folder.path("archive")
        let folder = folder
        volumes = (1...count).map { folder.path("volume\($0)") }
        try Archive.create(
            at: path, volumes: volumes.map { Settings.VolumePlace(path: $0, domain: $0) },
            copies: copies)
        // A test that is not about it wants to hear when a copy is missing.
        try configure { $0.replacing("\nmin_copies = 1\n", with: "\n# min_copies = 1\n") }
        if settle != 10 {
            try configure { $0.replacing("settle = 10", with: "settle = \(settle)") }
        }
    }

    /// Rewrites `pacsfs.toml`.
    public func configure(_ change: (String) -> String) throws {
        let file = path + "/pacsfs.toml"
        let text = try String(contentsOfFile: file, encoding: .utf8)
        try change(text).write(toFile: file, atomically: true, encoding: .utf8)
    }

    /// Opens the archive as a process does that starts, and closes it afterwards.
    ///
    /// - Parameter recovering: Whether it first finishes what the last run left.
    public func open<R>(
        clock: any MonotonicClock = SystemClock(), recovering: Bool = true,
        _ body: (Archive) throws -> R
    ) throws -> R {
        let archive = try Archive(
            at: path, log: log.logger, clock: clock, recoversLater: !recovering)
        defer { archive.close() }
        return try body(archive)
    }

    public var index: IndexFile { IndexFile(path + "/index.sqlite") }

    /// Removes the index, as if it had never been made.
    public func removeIndex() {
        for suffix in ["", "-wal", "-shm"] { unlink(path + "/index.sqlite" + suffix) }
    }

    /// Opens a volume, numbered from 1, to look at it; no archive may be open.
    public func volume(_ number: Int) throws -> Volume {
        try Volume.open(at: volumes[number - 1], archive: nil)
    }

    /// Where a volume, numbered from 1, keeps a blob.
    public func blob(_ digest: Digest, on number: Int) -> String {
        blobPath(digest.hex, on: volumes[number - 1])
    }

    /// The records of a volume's ledger, the whole chain checked.
    public func ledger(on number: Int = 1) throws -> [LedgerRecord] {
        let volume = try volume(number)
        var reader = try LedgerChain(
            volume: volume, site: Ledger.site(archive: volume.identity.archive))
        var records: [LedgerRecord] = []
        while let record = try reader.next() { records.append(record) }
        return records
    }

    /// The file of a volume's ledger.
    public func ledgerFile(on number: Int) throws -> String {
        let folder = volumes[number - 1] + "/ledger"
        return try folder + "/" + (files(below: folder).first ?? "")
    }
}

/// A file that is open for as long as somebody has this.
public final class OpenFile: Sendable {
    public let descriptor: Int32

    /// - throws: `CocoaError` when it is not there
    public init(_ path: String) throws {
        descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw CocoaError(.fileReadNoSuchFile) }
    }

    deinit { close(descriptor) }

    public var ingestFile: IngestFile { IngestFile(descriptor, owner: self) }
}

extension Archive {
    /// Takes in some bytes as `pacsfs import` would, and waits.
    ///
    /// - parameter source: where they are said to come from
    public func ingest(
        _ bytes: [UInt8], from source: String = "/data/image.dcm", in folder: TemporaryFolder
    ) throws -> Result<IngestOutcome, ArchiveError> {
        let path = try folder.write(bytes, to: "sources/" + VolumeIdentity.randomIdentifier())
        let file = try OpenFile(path)
        return ingestAndWait(
            IngestRequest(
                file: file.ingestFile, source: Self.source(source),
                bytes: Int64(bytes.count), digest: nil))
    }

    private static func source(_ text: String) -> IngestSource {
        text.hasPrefix("incoming/")
            ? .incoming(String(text.dropFirst(9))) : .file(text, rejectedPath: text)
    }
}
