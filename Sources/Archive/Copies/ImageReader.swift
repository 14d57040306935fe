import Storage
import System
import TagIndex

/// Opens images for reading, and only copies that are good.
final class ImageReader: Sendable {
    let core: ArchiveCore
    /// Blobs that need not be read again for a while.
    let verified: VerifiedBlobs
    let repairs: CopyRepairs
    /// Woken when a copy is missing.
    let resilvering: BackgroundLoop

    var volumes: VolumeSet { core.volumes }

    init(
        _ core: ArchiveCore, verified: VerifiedBlobs, repairs: CopyRepairs,
        resilvering: BackgroundLoop
    ) {
        (self.core, self.verified) = (core, verified)
        (self.repairs, self.resilvering) = (repairs, resilvering)
    }

    /// Larger files, in bytes, are not read before they are opened: a viewer would wait for
    /// seconds. The scrub reads them.
    static let verifiedOnOpen: Int64 = 64 << 20
    /// How long a file that was read and has not changed since counts as good, ns.
    static let trust: Int64 = 86_400_000_000_000

    /// Whether the file that was opened is still there unchanged, on a volume that is there,
    /// and was read within a day.
    func isCurrent(_ blob: VerifiedBlob) -> Bool {
        isTrusted(blob) && blob.volume.stamp(of: blob.digest) == blob.stamp
    }

    private func isTrusted(_ blob: VerifiedBlob) -> Bool {
        core.clock.now - blob.checked < Self.trust && isThere(blob)
    }

    /// Whether an open file has the bytes of an image: see ``Archive/isGood(_:as:)``.
    func isGood(_ descriptor: Int32, as blob: VerifiedBlob) -> Bool {
        let digest = try? Digest.of(
            descriptor: descriptor, bytes: blob.stamp.bytes, path: blob.digest.hex)
        return digest == blob.digest
    }

    /// Whether the volume that the file is on is still there.
    func isThere(_ blob: VerifiedBlob) -> Bool { volumes[blob.volumeOrdinal] === blob.volume }

    /// Opens the blob of an image: see ``Archive/openBlob(of:first:)``.
    func open(_ instance: Int64, first: Int? = nil) throws -> (
        descriptor: Int32, blob: VerifiedBlob, wasKnown: Bool
    ) {
        guard let image = try core.index.read({ try $0.copies(of: instance) }),
            let digest = Digest(bytes: image.sha256)
        else { throw ArchiveError(.notFound, "There is no image with number \(instance).") }
        if let known = verified[instance], isTrusted(known),
            first ?? known.volumeOrdinal == known.volumeOrdinal,
            let file = try? known.volume.openBlob(digest),
            try known.volume.stamp(ofOpen: file.number) == known.stamp
        {
            return (file.release(), known, true)
        }
        var bad: [BadCopy] = []
        var problem =
            image.volumes.isEmpty
            ? "every copy of it was damaged" : "no volume that has a copy is there"
        let order = readingOrder(image.volumes)
        let isFirst = { (volume: Volume) in volume.identity.ordinal == first }
        for volume in order.filter(isFirst) + order.filter({ !isFirst($0) }) {
            switch openCopy(image, digest, on: volume) {
            case .good(let descriptor, let blob):
                verified.put(blob)
                // The volume may have gone at this moment, and must not be kept open then.
                if !isThere(blob) { verified.forget(volume) }
                if !bad.isEmpty { heal(image, bad: bad) }
                return (descriptor, blob, false)
            case .bad(let copy):
                bad.append(copy)
                problem = "\(volume.path)/\(volume.blobPath(digest)) is \(copy.problem.rawValue)"
            case .gone(let reason): problem = reason
            }
        }
        if !bad.isEmpty { heal(image, bad: bad) }
        let error = ArchiveError(
            .noGoodCopy, "The image \(digest.hex) cannot be read: \(problem).",
            remedy: "See \"pacsfs status\".")
        core.log.error("\(error)")
        throw error
    }

    /// The ordinal of the volume with the last good copy: see ``Archive/verifiedOrdinal(of:)``.
    func verifiedOrdinal(of instance: Int64) -> Int? {
        verified[instance].flatMap { isThere($0) ? $0.volumeOrdinal : nil }
    }

    /// The ordinals of the volumes from which an image can be read, the best first: see
    /// ``Archive/readingOrder(of:)``.
    func readingOrder(of instance: Int64) throws -> [Int] {
        let copies = try core.index.read { try $0.copies(of: instance) }
        let order = readingOrder(copies?.volumes ?? []).map(\.identity.ordinal)
        guard let known = verified[instance]?.volumeOrdinal, order.contains(known) else {
            return order
        }
        return [known] + order.filter { $0 != known }
    }

    /// The volumes that are there, healthy ones first.
    private func readingOrder(_ ordinals: [Int]) -> [Volume] {
        let members = volumes.members.filter { $0.volume != nil && ordinals.contains($0.ordinal) }
        return (members.filter { $0.state != .failing } + members.filter { $0.state == .failing })
            .compactMap(\.volume)
    }

    private enum OpenedCopy {
        case good(Int32, VerifiedBlob)
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
                VerifiedBlob(
                    instance: image.id, digest: digest, volume: volume, stamp: stamp,
                    checked: core.clock.now))
        } catch {
            volumes.suspect(volume, error)
            guard volumes[volume.identity.ordinal] === volume else { return .gone("\(error)") }
            guard let problem = CopyProblem(reading: error) else { return .gone("\(error)") }
            return .bad(BadCopy(volume: volume, problem: problem))
        }
    }
}
