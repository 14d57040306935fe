import Storage
import System
import TagIndex

/// Opens images for reading, and only copies that are good.
final class ImageReader: Sendable {
    let core: ArchiveCore
    /// Knows blobs that need not be read again for a while.
    let checker: CopyChecker
    let repairs: CopyRepairs
    /// Woken when a copy is missing.
    let resilvering: BackgroundLoop

    var volumes: VolumeSet { core.volumes }

    init(
        _ core: ArchiveCore, checker: CopyChecker, repairs: CopyRepairs,
        resilvering: BackgroundLoop
    ) {
        (self.core, self.checker) = (core, checker)
        (self.repairs, self.resilvering) = (repairs, resilvering)
    }

    private var verified: VerifiedBlobs { checker.verified }

    /// Whether the file that was opened is still there unchanged, on a volume that is there,
    /// and counts as good still.
    func isCurrent(_ blob: VerifiedBlob) -> Bool {
        checker.isRecent(blob) && isThere(blob) && blob.volume.stamp(of: blob.digest) == blob.stamp
    }

    /// Whether an open file has the bytes of an image: see ``Archive/isGood(_:as:)``.
    func isGood(_ descriptor: Int32, as blob: VerifiedBlob) -> Bool {
        let digest = try? blob.volume.onDisk { () throws(StorageError) in
            try Digest.of(descriptor: descriptor, bytes: blob.stamp.bytes, path: blob.digest.hex)
        }
        return digest == blob.digest
    }

    /// Whether the volume that the file is on is still there.
    func isThere(_ blob: VerifiedBlob) -> Bool { volumes[blob.volumeOrdinal] === blob.volume }

    /// Opens the blob of an image: see ``Archive/openBlob(of:first:isWanted:)``.
    ///
    /// - Throws: ``ReadingUnwanted`` and the errors of the archive.
    func open(
        _ instance: Int64, first: Int? = nil, isWanted: () -> Bool = { true }
    ) throws -> (descriptor: Int32, blob: VerifiedBlob, wasKnown: Bool) {
        guard let image = try core.index.read({ try $0.copies(of: instance) }),
            let digest = Digest(bytes: image.sha256)
        else { throw ArchiveError(.notFound, "There is no image with number \(instance).") }
        var bad: [BadCopy] = []
        var problem =
            image.volumes.isEmpty
            ? "every copy of it was damaged" : "no volume that has a copy is there"
        for volume in order(of: image, digest, first: first) {
            switch openCopy(image, digest, on: volume, isWanted) {
            case .good(let descriptor, let blob, let wasKnown):
                // The volume may have gone at this moment, and must not be kept open then.
                if !isThere(blob) { verified.forget(volume) }
                if !bad.isEmpty { heal(image, bad: bad) }
                return (descriptor, blob, wasKnown)
            case .bad(let copy):
                bad.append(copy)
                problem = "\(volume.path)/\(volume.blobPath(digest)) is \(copy.problem.rawValue)"
            case .gone(let reason): problem = reason
            case .unwanted: throw ReadingUnwanted()
            }
        }
        if !bad.isEmpty { heal(image, bad: bad) }
        if try !core.index.read({ try $0.offsitePlaces(sha256: digest.bytes) }).isEmpty {
            core.log.warning(
                "The image \(digest.hex) has to be fetched from off-site: \(problem).")
            throw ArchiveError(
                .onlyOffsite, "The image \(digest.hex) is off-site only: \(problem).",
                remedy: "It is fetched when it is opened.")
        }
        let error = ArchiveError(
            .noGoodCopy, "The image \(digest.hex) cannot be read: \(problem).",
            remedy: "See \"pacsfs status\".")
        core.log.error("\(error)")
        throw error
    }

    /// The order in which the copies of an image are tried. Of a large one those come first that
    /// are unchanged since they were hashed: nobody waits for the others to be hashed.
    private func order(of image: ImageCopies, _ digest: Digest, first: Int?) -> [Volume] {
        let first = first ?? verified[image.id]?.volumeOrdinal
        let isFirst = { (volume: Volume) in volume.identity.ordinal == first }
        let all = readingOrder(image.volumes)
        let order = all.filter(isFirst) + all.filter { !isFirst($0) }
        guard image.bytes > CopyChecker.hashedOnce else { return order }
        let unchanged = order.filter { checker.isUnchanged(image.id, digest, on: $0) }
        return unchanged + order.filter { volume in !unchanged.contains { $0 === volume } }
    }

    /// Whether an image is so large that hashing it takes long, and has no copy that is unchanged
    /// since it was hashed: see ``Archive/takesLong(toOpen:)``.
    func takesLong(toOpen instance: Int64) throws -> Bool {
        // Most images are small, and need not be looked up for this.
        if let known = verified[instance], known.stamp.bytes <= CopyChecker.hashedOnce {
            return false
        }
        guard let image = try core.index.read({ try $0.copies(of: instance) }),
            image.bytes > CopyChecker.hashedOnce, let digest = Digest(bytes: image.sha256)
        else { return false }
        return !readingOrder(image.volumes).contains {
            checker.isUnchanged(instance, digest, on: $0)
        }
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
        case good(Int32, VerifiedBlob, wasKnown: Bool)
        case bad(BadCopy)
        /// The volume is not there any more, or this process cannot read now.
        case gone(String)
        /// Nobody wants it any more.
        case unwanted
    }

    private func openCopy(
        _ image: ImageCopies, _ digest: Digest, on volume: Volume, _ isWanted: () -> Bool
    ) -> OpenedCopy {
        do throws(StorageError) {
            let found = try checker.open(
                image, digest, on: volume, isReading: true, isWanted: isWanted)
            switch found {
            case .good(let descriptor, let blob, let wasKnown):
                return .good(descriptor, blob, wasKnown: wasKnown)
            case .bad(let problem): return .bad(BadCopy(volume: volume, problem: problem))
            case .unwanted: return .unwanted
            }
        } catch {
            volumes.suspect(volume, error)
            guard volumes[volume.identity.ordinal] === volume else { return .gone("\(error)") }
            guard let problem = CopyProblem(reading: error) else { return .gone("\(error)") }
            return .bad(BadCopy(volume: volume, problem: problem))
        }
    }
}

/// Nobody waits any more for the image that is being read.
struct ReadingUnwanted: Error {}
