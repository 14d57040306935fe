import Storage
import System
import TagIndex

// Rejected files are kept like images: on as many volumes, wherever those come and go.
extension RejectedFiles {
    /// Makes the copies that rejected files lack, if the volumes have changed since that was done,
    /// or could not be done for all. Each is also made where `/rejected` shows it.
    ///
    /// - Returns: A sentence for each file that could not be copied.
    /// - Throws: The errors of the index.
    func makeMissingCopies(shouldStop: () -> Bool) throws -> [String] {
        let volumes = core.volumes
        let layout = Set(
            volumes.members.filter { $0.volume != nil && !$0.isReadOnly }.map {
                Holder(ordinal: $0.ordinal, state: $0.state.rawValue)
            } + [Holder(ordinal: volumes.staging.identity.ordinal, state: "staging")])
        guard copied.withLock({ $0 }) != layout else { return [] }
        var (problems, made, last) = ([String](), 0, Int64(0))
        var isShort = false
        while !shouldStop() {
            let page = try core.index.read { try $0.rejectedFiles(after: last, limit: 256) }
            guard let end = page.last else {
                copied.withLock { $0 = problems.isEmpty && !isShort ? layout : nil }
                break
            }
            for file in page where !shouldStop() {
                do {
                    let done = try changing.take { try makeCopies(of: file) }
                    made += done.copies
                    isShort = isShort || done.isShort
                } catch {
                    problems.append("rejected/\(file.path) cannot be copied: \(error)")
                }
            }
            last = end.id
        }
        if made > 0 { core.log.notice("Copied \(made) rejected files to other volumes.") }
        return problems
    }

    /// A volume that takes files, as far as the copies depend on it.
    struct Holder: Hashable, Sendable {
        var ordinal: Int
        var state: String
    }

    /// Some file may have too few copies, although the volumes have not changed.
    func noteMissingCopies() { copied.withLock { $0 = nil } }

    /// - Returns: How many copies were made, and whether there are too few still.
    private func makeCopies(of file: RejectedFile) throws -> (copies: Int, isShort: Bool) {
        let volumes = core.volumes
        guard let digest = Digest(bytes: file.sha256) else { return (0, false) }
        let found = holders(of: file, digest)
        // It was moved back into incoming, or removed by hand.
        guard !found.isEmpty else { return (0, false) }
        let retiring = volumes.retiring
        var holding = Set(found.map(\.volume.identity.ordinal)).subtracting(retiring)
        let before = holding.count
        var targets: [Volume] = []
        let staging = volumes.staging
        if !holding.contains(staging.identity.ordinal), volumes.isWritable(staging) {
            targets.append(staging)
            holding.insert(staging.identity.ordinal)
        }
        let wanted = core.settings.copies
        if holding.count < wanted {
            targets += try volumes.choose(
                copies: wanted, minimum: holding.count, bytes: file.bytes, holding: holding,
                allowingFull: true)
        }
        for target in targets { try copy(file, digest, from: found, to: target) }
        return (targets.count, before + targets.count < wanted)
    }

    /// From the first copy whose bytes are good.
    private func copy(
        _ file: RejectedFile, _ digest: Digest, from found: [(volume: Volume, path: String)],
        to target: Volume
    ) throws {
        var problem: (any Error)?
        for source in found {
            do {
                return try target.rejected.copy(
                    source.path, from: source.volume.rejected, expecting: digest)
            } catch { problem = problem ?? error }
        }
        if let problem { throw problem }
    }

    func holders(
        of file: RejectedFile, _ digest: Digest
    ) -> [(volume: Volume, path: String)] {
        core.volumes.online.compactMap { volume in
            volume.rejected.place(of: file.path, digest, bytes: file.bytes).map { (volume, $0) }
        }
    }

    /// Copies what a restore finds of the rejected files to where `/rejected` is shown. One that
    /// the source lacks may have been removed by hand before.
    ///
    /// - Returns: How many were copied.
    /// - Throws: The errors of the index; why a file that is there cannot be copied.
    func bring(from source: any RestoreSource) throws -> Int64 {
        let reasons = try reasons()
        var (made, last) = (Int64(0), Int64(0))
        while true {
            let page = try core.index.read { try $0.rejectedFiles(after: last, limit: 64) }
            guard let end = page.last else { return made }
            last = end.id
            let wanted = page.filter { file in
                Digest(bytes: file.sha256).map { holders(of: file, $0).isEmpty } ?? false
            }
            if wanted.isEmpty { continue }
            let places = wanted.compactMap { file in
                Digest(bytes: file.sha256).map { digest in
                    RejectedPlace(
                        path: file.path, digest: digest, reason: reasons[file.path] ?? "")
                }
            }
            guard let folder = try source.rejectedFiles(places) else { return made }
            for file in wanted where try bring(file, from: folder) { made += 1 }
        }
    }

    /// - Returns: Whether it was there.
    private func bring(_ file: RejectedFile, from folder: RejectedFolder) throws -> Bool {
        guard let digest = Digest(bytes: file.sha256),
            let place = folder.place(of: file.path, digest, bytes: file.bytes)
        else { return false }
        do {
            try changing.take {
                try core.volumes.staging.rejected.copy(place, from: folder, expecting: digest)
            }
        } catch let error as StorageError where error.code == .corrupt {
            core.log.error("rejected/\(file.path) cannot be restored: \(error)")
            return false
        }
        noteMissingCopies()
        return true
    }

    /// Why files were rejected, by their paths.
    private func reasons() throws -> [String: String] {
        var reasons: [String: String] = [:]
        var chain = try LedgerChain(
            volume: core.volumes.staging, site: core.catalogue.ledger.site)
        while let record = try chain.next() {
            guard record.entry.kind == RejectRecord.kind,
                case .reject(let event) = try LedgerEvent(record)
            else { continue }
            reasons[event.path] = event.reason
        }
        return reasons
    }

    // MARK: Counting

    /// How many rejected files are on fewer volumes than images are to be. One that is on none of
    /// them was removed by hand, or waits in incoming; but while a volume is away it may be there.
    ///
    /// - Throws: The errors of the index.
    func countMissingCopies() throws -> Int64 {
        let retiring = core.volumes.retiring
        let isWhole = core.volumes.members.allSatisfy { $0.volume != nil }
        return try count { file, digest in
            let held = holders(of: file, digest).count {
                !retiring.contains($0.volume.identity.ordinal)
            }
            return held < core.settings.copies && (held > 0 || !isWhole)
        }
    }

    /// How many rejected files only a volume that is away can have.
    ///
    /// - Throws: The errors of the index.
    func countOnlyCopies(on volume: Volume?) throws -> Int64 {
        try count { file, digest in
            !holders(of: file, digest).contains { $0.volume !== volume }
        }
    }

    private func count(_ isCounted: (RejectedFile, Digest) -> Bool) throws -> Int64 {
        var (count, last) = (Int64(0), Int64(0))
        while true {
            let page = try core.index.read { try $0.rejectedFiles(after: last, limit: 1024) }
            guard let end = page.last else { return count }
            for file in page {
                if let digest = Digest(bytes: file.sha256), isCounted(file, digest) { count += 1 }
            }
            last = end.id
        }
    }
}
