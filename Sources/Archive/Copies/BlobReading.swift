import Foundation
import Glibc
import Storage
import System
import TagIndex

/// Which file the bytes of an image were found good in, and when.
public struct BlobVersion: Sendable {
    /// `instance.id`.
    public let instance: Int64
    let digest: Digest
    let volume: Volume
    let stamp: BlobStamp
    /// Monotonic, ns.
    let checked: Int64

    /// Whether both are the same file, unchanged.
    public func isSameFile(as other: BlobVersion) -> Bool {
        volume === other.volume && stamp == other.stamp
    }

    /// The ordinal of the volume it is on.
    public var volumeOrdinal: Int { volume.identity.ordinal }
}

/// The versions of images that were seen to be good lately: at most 65,536, those that were not
/// looked at for longest forgotten first.
final class GoodVersions: Sendable {
    private struct Generations {
        var young: [Int64: BlobVersion] = [:]
        var old: [Int64: BlobVersion] = [:]
    }

    private let generations = Lock(Generations())
    private static let size = 32_768

    subscript(instance: Int64) -> BlobVersion? {
        generations.withLock { generations in
            if let version = generations.young[instance] { return version }
            guard let version = generations.old[instance] else { return nil }
            Self.put(version, into: &generations)
            return version
        }
    }

    func put(_ version: BlobVersion) { generations.withLock { Self.put(version, into: &$0) } }

    private static func put(_ version: BlobVersion, into generations: inout Generations) {
        generations.young[version.instance] = version
        guard generations.young.count >= size else { return }
        generations.old = generations.young
        generations.young = [:]
    }

    /// A volume that is known here stays open.
    func forget(_ volume: Volume) {
        generations.withLock { generations in
            generations.young = generations.young.filter { $0.value.volume !== volume }
            generations.old = generations.old.filter { $0.value.volume !== volume }
        }
    }

    func forget(_ instance: Int64) {
        generations.withLock {
            $0.young[instance] = nil
            $0.old[instance] = nil
        }
    }
}

extension Archive {
    /// Larger files are not read before they are opened: a viewer would wait for seconds. The
    /// scrub reads them.
    static let verifiedOnOpen: Int64 = 64 << 20
    /// For how long a file that was read and did not change since is believed in, ns.
    static let trust: Int64 = 86_400_000_000_000

    /// Whether the file that was opened is still there as it was, on a volume that is there,
    /// and was read within a day.
    public func isCurrent(_ version: BlobVersion) -> Bool {
        isTrusted(version) && version.volume.stamp(of: version.digest) == version.stamp
    }

    private func isTrusted(_ version: BlobVersion) -> Bool {
        monotonicNow() - version.checked < Self.trust && isThere(version)
    }

    /// Whether the volume that the file is on is still there.
    public func isThere(_ version: BlobVersion) -> Bool {
        volumes[version.volumeOrdinal] === version.volume
    }

    /// Opens the blob of an image on a volume whose copy is good: one that has been read within
    /// a day and has not changed since, or is read now. Bad copies that are met are set aside
    /// and made anew from the good one before this returns.
    ///
    /// - parameter instance: `instance.id`
    /// - returns: a descriptor that the caller closes, what it leads to, and whether that was
    ///   known to be good before: otherwise bytes that somebody keeps from earlier may be others
    /// - throws: ``ArchiveError`` with `noGoodCopy`: nothing is ever given that is not what was
    ///   archived
    public func openBlob(of instance: Int64) throws(ArchiveError) -> (
        descriptor: Int32, version: BlobVersion, wasKnown: Bool
    ) {
        try ArchiveError.from {
            guard let image = try index.read({ try $0.copies(of: instance) }),
                let digest = Digest(bytes: image.sha256)
            else { throw ArchiveError(.notFound, "There is no image with number \(instance).") }
            if let known = good[instance], isTrusted(known),
                let file = try? known.volume.openBlob(digest),
                try known.volume.stamp(ofOpen: file.number) == known.stamp
            {
                return (file.release(), known, true)
            }
            var bad: [BadCopy] = []
            var problem =
                image.volumes.isEmpty
                ? "every copy of it was damaged" : "no volume that has a copy is there"
            for volume in readingOrder(image.volumes) {
                switch openCopy(image, digest, on: volume) {
                case .good(let descriptor, let version):
                    good.put(version)
                    // It may have gone in this moment, and must not be kept open then.
                    if !isThere(version) { good.forget(volume) }
                    if !bad.isEmpty { heal(image, bad: bad) }
                    return (descriptor, version, false)
                case .bad(let copy):
                    bad.append(copy)
                    problem =
                        "\(volume.path)/\(volume.blobPath(digest)) is \(copy.problem.rawValue)"
                case .gone(let reason): problem = reason
                }
            }
            if !bad.isEmpty { heal(image, bad: bad) }
            let message = "The image \(digest.hex) cannot be read: \(problem). See «pacsfs status»."
            log.error("\(message)")
            throw ArchiveError(.noGoodCopy, message)
        }
    }

    /// The volumes that are there, those that are well first.
    private func readingOrder(_ ordinals: [Int]) -> [Volume] {
        let members = volumes.members.filter { $0.volume != nil && ordinals.contains($0.ordinal) }
        return (members.filter { $0.state != .failing } + members.filter { $0.state == .failing })
            .compactMap(\.volume)
    }

    private enum OpenedCopy {
        case good(Int32, BlobVersion)
        case bad(BadCopy)
        /// The volume is not there any more, or this process cannot read now.
        case gone(String)
    }

    private func openCopy(_ image: ImageCopies, _ digest: Digest, on volume: Volume) -> OpenedCopy {
        do throws(StorageError) {
            let file = try volume.openBlob(digest)
            let stamp = try volume.stamp(ofOpen: file.number)
            let path = "\(volume.path)/\(volume.blobPath(digest))"
            var problem: CopyProblem?
            if stamp.bytes != image.bytes {
                problem = .truncated
            } else if image.bytes <= Self.verifiedOnOpen,
                try Digest.of(descriptor: file.number, bytes: image.bytes, path: path) != digest
            {
                problem = .altered
            }
            if let problem { return .bad(BadCopy(volume: volume, problem: problem)) }
            return .good(
                file.release(),
                BlobVersion(
                    instance: image.id, digest: digest, volume: volume, stamp: stamp,
                    checked: monotonicNow()))
        } catch {
            volumes.suspect(volume, error)
            guard volumes[volume.identity.ordinal] === volume else { return .gone("\(error)") }
            guard let problem = CopyProblem(reading: error) else { return .gone("\(error)") }
            return .bad(BadCopy(volume: volume, problem: problem))
        }
    }
}
