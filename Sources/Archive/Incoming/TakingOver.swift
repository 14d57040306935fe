import Foundation
import Storage
import System

/// A volume cannot leave the archive yet; why is noted with it.
struct RetirementWaits: Error {}

// What lies on a volume that is no image: what waits in `/incoming`, and what was set aside. It
// goes to the volume that `/incoming` and `/rejected` show.
extension Archive {
    /// Takes over everything from a volume that is to leave.
    ///
    /// - returns: what could not be taken over, and why
    func takeOverAll(of member: VolumeSet.Member) -> [String] {
        guard let source = member.volume else {
            return [
                "It is absent. Bring it back, or put another in its place: pacsfs volume replace \(member.place.path) NEW-DIR."
            ]
        }
        let target = volumes.staging
        guard target !== source else { return ["No other volume can be written to."] }
        return takeOverIncoming(of: source) + carryRejected(from: source, to: target)
    }

    /// Takes over what waits in `/incoming` as it lies on a volume. What is being written is left.
    ///
    /// - returns: what could not be taken over, and why
    func takeOverIncoming(of source: Volume) -> [String] {
        let target = volumes.staging
        guard target !== source else { return [] }
        do { return try Recovery(takingOverFrom: source, archive: self).takeOver(on: target) } catch
        {
            return ["What waits in incoming of \(source.path) cannot be listed: \(error)"]
        }
    }

    /// Copies what a volume has set aside, and another has not, with the reasons. What has been
    /// archived since is left out.
    ///
    /// - returns: what could not be copied, and why
    func carryRejected(from source: Volume, to target: Volume) -> [String] {
        guard target !== source else { return [] }
        let paths: [[UInt8]]
        do {
            // Whoever sets a file aside now does it on the other volume.
            paths = try rejecting.withLock {
                try Self.rejectedFiles(in: [], of: source.rejectedDescriptor)
            }
        } catch {
            return ["What was set aside on \(source.path) cannot be listed: \(error)"]
        }
        let all = Set(paths)
        return paths.compactMap { path in
            // It comes with its file.
            if Volume.isRejectionReason(path),
                all.contains(path.dropLast(Volume.rejectionReason(of: []).count))
            {
                return nil
            }
            let shown = String(decoding: path, as: UTF8.self)
            do {
                try rejecting.withLock {
                    if try !isArchived(path, on: source) {
                        try target.takeOverRejected(shown, from: source)
                    }
                }
                return nil
            } catch {
                return "rejected/\(shown) cannot be copied to \(target.path): \(error)"
            }
        }
    }

    /// The files below `rejected` that its user sees.
    private static func rejectedFiles(in path: [UInt8], of directory: Int32) throws -> [[UInt8]] {
        var result: [[UInt8]] = []
        try FolderWalk.entries(of: directory) { name, status in
            if path.isEmpty, [Array("bad-blobs".utf8), Array("torn-ledger".utf8)].contains(name) {
                return
            }
            let path = path.isEmpty ? name : path + [UInt8(ascii: "/")] + name
            if status.st_mode & S_IFMT == S_IFDIR {
                try FolderWalk.inside(name, of: directory) {
                    result += try rejectedFiles(in: path, of: $0)
                }
            } else if status.st_mode & S_IFMT == S_IFREG {
                result.append(path)
            }
        }
        return result
    }
}

extension Recovery {
    /// Takes over what waits: what is whole or has a temporary name is moved, so that it waits on
    /// the other volume as it did here; about the rest is decided as after an interruption.
    ///
    /// - returns: what had to stay, and why
    func takeOver(on target: Volume) -> [String] {
        var problems: [String] = []
        for file in incoming {
            do {
                guard !archive.observers.isInUse(incoming: file.inode, on: staging) else {
                    throw Self.busy
                }
                if try waits(file) {
                    try move(file, to: target)
                } else {
                    try settle(file)
                    guard archive.volumes.isWritable(volume) else { continue }
                    var status = stat()
                    let stays = file.path.withCString {
                        fstatat(volume.incomingDescriptor, $0, &status, AT_SYMLINK_NOFOLLOW) == 0
                    }
                    if stays {
                        throw ArchiveError(.storage, "It could be neither archived nor set aside.")
                    }
                }
            } catch {
                problems.append("\(file.shown) of incoming stays on \(volume.path): \(error)")
            }
        }
        if problems.isEmpty { try? removeEmptyFolders(in: volume.incomingDescriptor) }
        return problems
    }

    /// Whether a file is to wait on: for its rename, to be unpacked, because somebody has moved it from
    /// `rejected`, or because it is whole and
    /// could not be archived yet.
    private func waits(_ file: IncomingFile) throws -> Bool {
        if TemporaryName.matches(path: file.path) { return true }
        let descriptor = file.path.withCString {
            openat(volume.incomingDescriptor, $0, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
        }
        guard descriptor >= 0 else { return false }
        let source = StagedFile(descriptor)
        if Archive.isZip(descriptor) || source.isVouchedFor { return true }
        let digest = try Digest.of(descriptor: descriptor, bytes: source.bytes, path: file.shown)
        guard try archive.index.read({ try $0.instance(sha256: digest.bytes) }) == nil else {
            return false
        }
        return try volume.isStaged(digest)
    }
}
