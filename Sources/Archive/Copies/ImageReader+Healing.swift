import Foundation
import Storage
import System
import TagIndex

/// A copy that is not what it should be.
struct BadCopy: Sendable {
    var volume: Volume
    var problem: CopyProblem
}

/// The outcome of healing the bad copies of an image.
struct Healing: Sendable {
    /// Ordinals of volumes that have a good copy again.
    var healed: [Int] = []
    /// Ordinals of volumes whose copy is still bad or missing.
    var left: [Int] = []
    /// Whether there is any good copy.
    var hasGoodCopy = false
}

extension ImageReader {
    /// Sets bad copies aside, and makes them anew from a good one. Bad bytes go to
    /// `rejected/bad-blobs`; they are never deleted. The findings are in the ledger when this
    /// returns. An image that cannot be healed now lacks a copy, and is resilvered as soon as
    /// possible.
    @discardableResult
    func heal(_ image: ImageCopies, bad: [BadCopy]) -> Healing {
        guard let digest = Digest(bytes: image.sha256) else { return Healing() }
        return repairs.exclusively([digest]) { heal(image, digest, bad: bad) }
    }

    private func heal(_ image: ImageCopies, _ digest: Digest, bad: [BadCopy]) -> Healing {
        let log = core.log
        var outcome = Healing()
        var facts: [LedgerEvent] = []
        // Another reader may have healed it meanwhile.
        let bad = bad.filter { isBad(image, digest, on: $0.volume) }
        let source = bad.isEmpty ? nil : goodCopy(of: image, digest, without: bad.map(\.volume))
        outcome.hasGoodCopy = bad.isEmpty || source != nil
        for copy in bad {
            let (volume, ordinal) = (copy.volume, copy.volume.identity.ordinal)
            let name = "\(volume.path)/\(volume.blobPath(digest))"
            log.error("\(name) is \(copy.problem.rawValue).")
            facts.append(.damage(digest, on: ordinal, copy.problem))
            do throws(StorageError) {
                guard let source else {
                    // An unreadable copy stays: it may be the only one, and readable again later.
                    if copy.problem.isSeenInBytes { try volume.setAside(digest) }
                    outcome.left.append(ordinal)
                    continue
                }
                try restore(digest, bytes: image.bytes, on: volume, from: source)
                facts.append(.copies([digest], on: ordinal))
                outcome.healed.append(ordinal)
                log.notice("\(name) was healed from \(source.path).")
            } catch {
                outcome.left.append(ordinal)
                log.error("\(name) could not be healed: \(error)")
                volumes.suspect(volume, error)
            }
        }
        checker.verified.forget(image.id)
        do {
            try core.catalogue.record(facts)
            try core.adoptVolumeRecords()
        } catch {
            log.error("That copies of \(digest.hex) were bad could not be recorded: \(error)")
        }
        for copy in bad { try? copy.volume.finish([digest]) }
        if !outcome.healed.isEmpty { core.observers.healed(image: image.id) }
        if !outcome.left.isEmpty { resilvering.wake() }
        return outcome
    }

    /// Whether a copy could be examined, and is not good.
    private func isBad(_ image: ImageCopies, _ digest: Digest, on volume: Volume) -> Bool {
        do throws(StorageError) {
            return try !volume.verifyBlob(digest, bytes: image.bytes)
        } catch {
            return CopyProblem(reading: error) != nil
        }
    }

    /// What is wrong with a copy that is there, if anything: it is unchanged since it was hashed,
    /// or is hashed now.
    ///
    /// - Returns: `nil` when it is good, and when nothing can be said about it.
    func problem(of image: ImageCopies, _ digest: Digest, on volume: Volume) -> CopyProblem? {
        do throws(StorageError) {
            switch try checker.open(image, digest, on: volume) {
            case .good(let file, _, _):
                _ = Descriptor(owning: file)
                return nil
            case .bad(let problem): return problem
            case .unwanted: return nil
            }
        } catch {
            volumes.suspect(volume, error)
            return volumes[volume.identity.ordinal] === volume ? CopyProblem(reading: error) : nil
        }
    }

    private func isGood(_ image: ImageCopies, _ digest: Digest, on volume: Volume) -> Bool {
        (try? volume.verifyBlob(digest, bytes: image.bytes)) == true
    }

    /// A volume whose copy has just been read, and is good.
    func goodCopy(of image: ImageCopies, _ digest: Digest, without bad: [Volume]) -> Volume? {
        image.volumes.compactMap { volumes[$0] }.first { volume in
            !bad.contains { $0 === volume } && isGood(image, digest, on: volume)
        }
    }

    /// Puts a good copy in the place of the bad or missing one.
    private func restore(
        _ digest: Digest, bytes: Int64, on volume: Volume, from source: Volume
    ) throws(StorageError) {
        let file = try source.openBlob(digest)
        try volume.stageCopy(
            from: file.number, as: digest, bytes: bytes, checking: true, reading: source.calls)
        _ = try volume.commit([StagedBlob(digest: digest, bytes: bytes)], replacing: [digest])
    }
}
