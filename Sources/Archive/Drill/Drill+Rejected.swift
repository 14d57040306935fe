import Offsite
import Storage
import TagIndex

// What is not an image, and must not be lost.
extension Drill {
    /// The most rejected files that are compared.
    private static let mostRejected = 20

    /// Brings some of the rejected files here, by chance, and compares them.
    ///
    /// - Parameters:
    ///   - objects: Where they are to be had.
    ///   - theirs: The index of the source.
    ///   - place: The same source.
    /// - Throws: Why none can be had.
    mutating func restoreRejected(
        from objects: ObjectSource, _ theirs: TagIndex, _ place: DrilledPlace
    ) throws {
        let wanted = try expectedRejected(theirs, place)
        guard !wanted.isEmpty else { return }
        var volume: InspectedVolume
        if let path = removable?.path ?? volumePath {
            volume = try InspectedVolume(at: path)
        } else {
            _ = try objects.rejectedFiles(
                wanted.map { file, digest in
                    RejectedPlace(path: file.path, digest: digest, reason: "")
                })
            volume = try InspectedVolume(at: objects.scratch)
        }
        let digests = Set(wanted.map(\.1))
        for (file, digest) in wanted {
            let state = volume.state(
                ofRejected: file.path, digest, bytes: file.bytes, isOther: digests.contains)
            switch state {
            case .good: report.rejected += 1
            // On volumes each file has as many copies as an image.
            case .missing where volumePath != nil: break
            case .missing: failRejected(digest, "It is not there, and should be.")
            case .altered: failRejected(digest, "It has other bytes than those that were rejected.")
            case .unreadable(_, let error): failRejected(digest, "It cannot be read: \(error).")
            }
        }
    }

    private mutating func failRejected(_ digest: Digest, _ text: String) {
        let remedy =
            switch source {
            case .remote(let name): "Look for more such: pacsfs offsite check \(name) --download"
            case .volume: "Look for more such: pacsfs verify"
            }
        report.fail(.rejected, digest.hex, "A rejected file: \(text) \(remedy)")
    }

    /// Some of those that should be there. One that somebody has removed here is not expected.
    private func expectedRejected(
        _ theirs: TagIndex, _ place: DrilledPlace
    ) throws -> [(RejectedFile, Digest)] {
        var chosen: [(rank: Int64, file: RejectedFile, digest: Digest)] = []
        var last: Int64 = 0
        while true {
            let page = try theirs.read { try $0.rejectedFiles(after: last, limit: 1000) }
            guard let end = page.last else { break }
            last = end.id
            for file in page {
                guard let digest = Digest(bytes: file.sha256) else { continue }
                // In an order by chance, the same for the same seed.
                let rank = file.id % 2_147_483_647 &* (Int64(report.seed) * 2 + 1) % 2_147_483_647
                chosen.append((rank, file, digest))
            }
            chosen.sort { $0.rank < $1.rank }
            chosen.removeLast(max(0, chosen.count - 10 * Self.mostRejected))
        }
        return try chosen.filter { _, file, digest in
            guard !rejected.holders(of: file, digest).isEmpty else { return false }
            guard case .remote(let id) = place else { return true }
            let name = OffsiteLayout.rejected(digest)
            let object = try core.index.read { try $0.object(name, onRemote: id) }
            return object.map { $0.fault == nil } ?? false
        }.prefix(Self.mostRejected).map { ($0.file, $0.digest) }
    }

    /// Where the source is, if it is a volume of the archive.
    private var volumePath: String? {
        guard case .volume(let ordinal) = source else { return nil }
        return removable == nil ? core.volumes[ordinal]?.path : nil
    }
}
