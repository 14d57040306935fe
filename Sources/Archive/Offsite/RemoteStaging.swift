import Foundation
import Offsite
import Storage
import System

/// The folder in which objects are made for a remote: `staging/offsite/NAME` of a volume with room.
/// What is in it is of no use to anybody else, and after a crash it is made again.
struct RemoteStaging {
    let path: String
    let volume: Volume
    /// Bytes that it may take.
    let room: Int64

    /// An empty folder on the volume with the most room.
    ///
    /// - Throws: `OffsiteError`: `noLocalSpace` when no volume has room.
    init(_ volumes: VolumeSet, remote name: String) throws(OffsiteError) {
        let room = volumes.writable.map { (volume: $0, free: (try? $0.freeSpace()) ?? 0) }
        guard let most = room.max(by: { $0.free < $1.free }), most.free > Self.least else {
            throw OffsiteError(
                .noLocalSpace, "No volume has room for what is being brought to a remote",
                path: name, remedy: "Make room on a volume, or add one: pacsfs volume add DIR")
        }
        volume = most.volume
        // Half of it: images come meanwhile.
        self.room = most.free / 2
        path = "\(volume.path)/staging/offsite/\(name)"
        let (path, manager) = (path, FileManager.default)
        do {
            if manager.fileExists(atPath: path) { try manager.removeItem(atPath: path) }
            try manager.createDirectory(
                atPath: path, withIntermediateDirectories: true,
                attributes: [.posixPermissions: 0o700])
        } catch {
            throw OffsiteError(
                .local, "The folder for what is being brought to a remote cannot be made",
                path: path, remedy: "See the log.", cause: error)
        }
    }

    private static let least: Int64 = 16 << 20

    /// The path of an object; the folder that it is in is made.
    ///
    /// - Throws: `local`.
    func place(of object: String) throws(OffsiteError) -> String {
        let file = "\(path)/\(object)"
        do {
            try FileManager.default.createDirectory(
                atPath: (file as NSString).deletingLastPathComponent,
                withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch { throw Self.failure(file, error) }
        return file
    }

    /// Makes an object of bytes.
    ///
    /// - Throws: `local`.
    func write(_ bytes: [UInt8], as object: String) throws(OffsiteError) -> OutgoingObject {
        let file = try place(of: object)
        do {
            // A segment of the ledger is large: its bytes are not copied.
            try bytes.withUnsafeBytes { bytes in
                guard let start = UnsafeMutableRawPointer(mutating: bytes.baseAddress) else {
                    return try Data().write(to: URL(filePath: file))
                }
                try Data(bytesNoCopy: start, count: bytes.count, deallocator: .none).write(
                    to: URL(filePath: file))
            }
        } catch { throw Self.failure(file, error) }
        return OutgoingObject(
            name: object, bytes: Int64(bytes.count),
            hashes: [.sha256: Digest.of(bytes).hex])
    }

    /// Makes an object of a file of any volume, without copying it where that is possible.
    ///
    /// - Throws: `local`.
    func add(_ source: String, as object: String) throws(OffsiteError) {
        let file = try place(of: object)
        if link(source, file) == 0 { return }
        do { try FileManager.default.copyItem(atPath: source, toPath: file) } catch {
            throw Self.failure(file, error)
        }
    }

    func remove(_ object: String) { unlink("\(path)/\(object)") }

    /// Removes the folder.
    func remove() { try? FileManager.default.removeItem(atPath: path) }

    private static func failure(_ path: String, _ error: any Error) -> OffsiteError {
        OffsiteError(
            .local, "What is to be brought to a remote cannot be written", path: path,
            remedy: "See the log.", cause: ArchiveError.cause(of: error))
    }
}
