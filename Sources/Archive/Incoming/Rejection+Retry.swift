import Glibc
import Storage
import System

// Leftovers in `rejected` of the volumes, of files that were moved back into `/incoming`.

extension Archive {
    /// Removes the copies of a file, and its reason, below `rejected` of other volumes, because the
    /// file is archived now. A copy whose bytes are not archived, or cannot be read, stays.
    ///
    /// - Parameters:
    ///   - path: Its path below `rejected`.
    ///   - staging: The volume from which it was moved already.
    public func forgetRejected(_ path: [UInt8], on staging: StagingArea) {
        rejecting.lock()
        defer { rejecting.unlock() }
        for volume in volumes.writable where volume !== staging.volume {
            guard (try? isArchived(path, on: volume)) == true else { continue }
            _ = path.withCString { unlinkat(volume.rejectedDescriptor, $0, 0) }
            Self.removeReason(of: path, in: volume.rejectedDescriptor)
        }
    }

    /// Removes the reasons of files that are in `rejected` no more, and the folders that are
    /// empty then.
    public func removeServedReasons(_ paths: [[UInt8]], on staging: StagingArea) {
        rejecting.lock()
        defer { rejecting.unlock() }
        var status = stat()
        for path in paths
        where path.withCString({
            fstatat(staging.rejectedDescriptor, $0, &status, AT_SYMLINK_NOFOLLOW)
        }) != 0 {
            Self.removeReason(of: path, in: staging.rejectedDescriptor)
        }
    }

    func isArchived(_ path: [UInt8], on volume: Volume) throws -> Bool {
        let descriptor = path.withCString {
            openat(volume.rejectedDescriptor, $0, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
        }
        guard descriptor >= 0 else { return false }
        let file = StagedFile(descriptor)
        let digest = try Digest.of(
            descriptor: descriptor, bytes: file.bytes, path: String(decoding: path, as: UTF8.self))
        return try index.read { try $0.instance(sha256: digest.bytes) != nil }
    }

    private static func removeReason(of path: [UInt8], in directory: Int32) {
        _ = Volume.rejectionReason(of: path).withCString { unlinkat(directory, $0, 0) }
        var folder = path
        while let slash = folder.lastIndex(of: UInt8(ascii: "/")) {
            folder.removeSubrange(slash...)
            // Fails where something is in it, as it should.
            guard folder.withCString({ unlinkat(directory, $0, AT_REMOVEDIR) }) == 0 else { return }
        }
    }
}
