import DICOM
import Foundation
import Storage
import System
import TagIndex

/// What a start, or the return of a volume, does about the end of the last run, whatever that
/// was. It looks at what was in flight only: `staging/` of the volume.
///
/// - a file of `staging/commit` is archived if its bytes are whole, and dropped if not
/// - a file of `staging/incoming` that is archived already goes
/// - one whose writer never closed it is set aside: half an image must not pass for a whole
/// - one under a temporary name stays, for whoever wrote it to go on
/// - a zip archive stays, to be unpacked while the archive is in use: its members have checksums, so
///   that half of one does not pass for a whole
/// - so do files that somebody has moved there from `/rejected` (``VouchedFile``)
public struct Recovery {
    /// What the files are given to.
    let archive: Intake
    let volume: Volume
    var staging: StagingArea { StagingArea(volume: volume) }
    let incoming: [IncomingFile]
    private let pendingCommits: [PendingCommit]

    /// Why a file that was never closed is set aside.
    public static let interrupted =
        "The copy was interrupted: pacsfs ended before the file was closed. Copy the original again; if this is all there is, move it back into incoming."

    /// Looks at what is there. Nobody may be storing anything on the volume yet.
    init(archive: Intake, volume: Volume) throws {
        self.archive = archive
        self.volume = volume
        try volume.removePartialCopies()
        incoming = try Self.incomingFiles(in: [], of: volume.incomingDescriptor)
        pendingCommits = try volume.pendingCommits()
    }

    /// Looks at what waits on a volume in use, of which `/incoming` is no more.
    init(takingOverFrom volume: Volume, archive: Intake) throws {
        self.archive = archive
        self.volume = volume
        incoming = try Self.incomingFiles(in: [], of: volume.incomingDescriptor, clearing: false)
        pendingCommits = []
    }

    func run() throws {
        let isPending = finishCommits()
        for file in incoming where !isPending.contains(file.inode) {
            do { try settle(file) } catch {
                archive.log.error("\(file.shown) of incoming was left as it is: \(error)")
            }
        }
        try removeEmptyFolders(in: staging.incomingDescriptor)
    }

    struct IncomingFile {
        var path: [UInt8]
        var inode: UInt64

        /// For a person.
        var shown: String { String(decoding: path, as: UTF8.self) }
    }

    // MARK: staging/commit

    /// - returns: the inodes of files that are whole, but could not be archived yet
    private func finishCommits() -> Set<UInt64> {
        var waiting: Set<UInt64> = []
        for pending in pendingCommits {
            do {
                if let inode = try finish(pending) { waiting.insert(inode) }
            } catch {
                archive.log.error(
                    "\(pending.digest.hex) in staging of \(volume.path) was left as it is: \(error)"
                )
                waiting.formUnion(incoming.map(\.inode))
            }
        }
        return waiting
    }

    /// - returns: the inode of the file when it is whole, but could not be archived yet
    private func finish(_ pending: PendingCommit) throws -> UInt64? {
        let isKnown = try archive.index.read {
            try $0.instance(sha256: pending.digest.bytes) != nil
        }
        guard !isKnown, let file = try wholeFile(pending) else {
            try volume.finish([pending.digest])
            return nil
        }
        let path = incoming.first { $0.inode == file.inode }?.shown
        let request = IngestRequest(
            file: IngestFile(file.descriptor, owner: file),
            source: path.map { "incoming/\($0)" } ?? "recovered/\(pending.digest.hex).dcm",
            bytes: file.bytes, digest: pending.digest,
            staging: pending.stagedBytes != nil ? staging : nil)
        switch archive.ingestAndWait(request) {
        case .success(.refused): try volume.finish([pending.digest])
        case .success: archive.log.notice("Finished archiving \(request.source).")
        case .failure: return path == nil ? nil : file.inode
        }
        return nil
    }

    /// The staged file, or where that has become the blob by a rename the blob, when its bytes
    /// are what its name says.
    private func wholeFile(_ pending: PendingCommit) throws -> StagedFile? {
        if let bytes = pending.stagedBytes {
            guard try volume.verifyStaged(StagedBlob(digest: pending.digest, bytes: bytes)) else {
                return nil
            }
            return StagedFile(try volume.openPending(pending.digest).release())
        }
        guard let bytes = pending.blobBytes, try volume.verifyBlob(pending.digest, bytes: bytes)
        else { return nil }
        return StagedFile(try volume.openBlob(pending.digest).release())
    }

    // MARK: staging/incoming

    /// - parameter clearing: whether what was half made in a run that has ended goes
    static func incomingFiles(
        in path: [UInt8], of directory: Int32, clearing: Bool = true
    ) throws -> [IncomingFile] {
        var result: [IncomingFile] = []
        try FolderWalk.entries(of: directory) { name, status in
            let path = path.isEmpty ? name : path + [UInt8(ascii: "/")] + name
            if status.st_mode & S_IFMT == S_IFDIR {
                try FolderWalk.inside(name, of: directory) {
                    result += try incomingFiles(in: path, of: $0, clearing: clearing)
                }
            } else if name.starts(with: ".pacsfs-".utf8) {
                if clearing { _ = name.withCString { unlinkat(directory, $0, 0) } }
            } else if status.st_mode & S_IFMT == S_IFREG {
                result.append(IncomingFile(path: path, inode: UInt64(status.st_ino)))
            }
        }
        return result
    }

    func settle(_ incoming: IncomingFile) throws {
        let name = incoming.path.split(separator: UInt8(ascii: "/")).last.map(Array.init) ?? []
        if TemporaryName.matches(path: incoming.path) { return }
        let directory = staging.incomingDescriptor
        if archive.settings.ignores(name) {
            _ = incoming.path.withCString { unlinkat(directory, $0, 0) }
            return
        }
        let descriptor = incoming.path.withCString {
            openat(directory, $0, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
        }
        guard descriptor >= 0 else { return }
        let file = StagedFile(descriptor)
        if Archive.isZip(descriptor) || file.isVouchedFor {
            // To archive them may take long, and whether a zip archive is whole is seen then: they
            // wait in incoming as shown.
            let target = archive.volumes.staging
            if target !== volume { try move(incoming, to: target) }
            return
        }
        let digest = try Digest.of(descriptor: descriptor, bytes: file.bytes, path: incoming.shown)
        if try archive.index.read({ try $0.instance(sha256: digest.bytes) }) != nil {
            // Archived before; it goes when that has been seen to be good.
            let request = IngestRequest(
                file: IngestFile(descriptor, owner: file), source: "incoming/\(incoming.shown)",
                bytes: file.bytes, digest: digest)
            if case .failure = archive.ingestAndWait(request) { return }
        } else if let reason = reason(for: incoming, file) {
            try archive.reject(
                RejectRequest(
                    file: IngestFile(descriptor, owner: file), source: "incoming/\(incoming.shown)",
                    path: incoming.shown, reason: reason))
        }
        _ = incoming.path.withCString { unlinkat(directory, $0, 0) }
    }

    /// - returns: why it is set aside; `nil` when it has served
    private func reason(for incoming: IncomingFile, _ file: StagedFile) -> String? {
        if file.bytes == 0 { return "It is empty (0 bytes). Copy the original again." }
        var reader = HeaderReader()
        do {
            let header = try reader.read(FileDescriptorSource(descriptor: file.descriptor))
            return header.isMediaStorageDirectory && archive.settings.ignoresDirectories
                ? nil : Self.interrupted
        } catch {
            return error.message
        }
    }

    func removeEmptyFolders(in directory: Int32) throws {
        try FolderWalk.entries(of: directory) { name, status in
            guard status.st_mode & S_IFMT == S_IFDIR else { return }
            try FolderWalk.inside(name, of: directory) { try removeEmptyFolders(in: $0) }
            // Fails where something is in it, as it should.
            _ = name.withCString { unlinkat(directory, $0, AT_REMOVEDIR) }
        }
    }
}

/// An open file of a volume's `staging`.
final class StagedFile: Sendable {
    let descriptor: Int32
    let inode: UInt64
    let bytes: Int64
    /// Whether somebody has moved it from `/rejected` to `/incoming` (``VouchedFile``).
    let isVouchedFor: Bool
    private let modified: timespec

    init(_ descriptor: Int32) {
        self.descriptor = descriptor
        var status = stat()
        fstat(descriptor, &status)
        inode = UInt64(status.st_ino)
        bytes = Int64(status.st_size)
        isVouchedFor = VouchedFile.isMarked(status.st_mode)
        modified = status.st_mtim
    }

    /// Whether size and time are what they were when it was opened.
    var isUnchanged: Bool {
        var status = stat()
        return fstat(descriptor, &status) == 0 && Int64(status.st_size) == bytes
            && status.st_mtim.tv_sec == modified.tv_sec
            && status.st_mtim.tv_nsec == modified.tv_nsec
    }

    deinit { close(descriptor) }
}

/// The entries of a directory, one after the other.
enum FolderWalk {
    /// Calls `body` with the descriptor of a directory in `directory`.
    static func inside(_ name: [UInt8], of directory: Int32, _ body: (Int32) throws -> Void)
        rethrows
    {
        let child = name.withCString {
            openat(directory, $0, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        }
        guard child >= 0 else { return }
        defer { close(child) }
        try body(child)
    }

    static func entries(of directory: Int32, _ body: ([UInt8], stat) throws -> Void) throws {
        let copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard copy >= 0, let stream = fdopendir(copy) else { return }
        var names: [[UInt8]] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { [UInt8](cString: $0) }
            }
            if name != Array(".".utf8), name != Array("..".utf8) { names.append(name) }
        }
        closedir(stream)
        for name in names {
            var status = stat()
            guard name.withCString({ fstatat(directory, $0, &status, AT_SYMLINK_NOFOLLOW) }) == 0
            else { continue }
            try body(name, status)
        }
    }
}
