import DICOM
import Foundation
import Glibc
import Storage
import System
import TagIndex

/// A file that is ready to be committed: hashed, read, and staged on its volumes.
struct StagedIngest: Sendable {
    enum Kind: Sendable {
        /// `same` is the digest of an earlier image with the same data set.
        case new(AttributeSet, flags: Int64, same: Digest?)
        /// The same bytes are archived as this `instance.id`.
        case duplicate(Int64)
    }

    var kind: Kind
    var request: IngestRequest
    var staged: StagedBlob
    /// The volumes on which it is staged: for a duplicate those whose copy is bad or missing.
    var volumes: [Volume]
    /// Volumes whose copy was hashed just now and is good.
    var verified: [Int] = []
    /// Those of `volumes` whose copy is known to be bad. Elsewhere a blob may be there without a
    /// record.
    var bad: Set<Int> = []
    /// The other volumes that have a good copy.
    var sound: [Volume] = []
    /// The missing part, when the file ends before its data set does.
    var cutOff: String?
    /// Of a new image, for ``SameDataSet/resolve(_:)``.
    var dataSet: DataSetPlace?
    /// `instance.id` up to which it was compared with the archive.
    var comparedThrough: Int64 = 0
    var completion: IngestPipeline.Completion

    func answer(_ result: Result<IngestOutcome, ArchiveError>) -> Completions.Answer {
        Completions.Answer(source: "\(request.source)", result: result, completion: completion)
    }
}

/// The part of ingest that several threads do at once: everything before the syncs.
struct IngestStage: Sendable {
    let volumes: VolumeSet
    let index: TagIndex
    /// The number of copies wanted, and the number that a file needs to count as safe.
    let copies: (wanted: Int, minimum: Int)
    /// Whether a DICOMDIR is ignored: ``Settings/ignoresDirectories``.
    var ignoresDirectories: @Sendable () -> Bool = { false }
    /// Refuses a file when no record of it could be made: before anything of it is stored.
    var requireCatalogueRoom: @Sendable () throws -> Void = {}
    var checker = CopyChecker()

    var sameDataSet: SameDataSet {
        SameDataSet(volumes: volumes, index: index, checker: checker)
    }

    enum Outcome {
        case ready(StagedIngest)
        /// It is not an image: `refused` or `ignored`.
        case noImage(IngestOutcome)
    }

    /// What the header of a file says.
    enum Look: Sendable {
        case image(HeaderAttributes, cut: Truncation?)
        /// It is not an image: `refused` or `ignored`.
        case noImage(IngestOutcome)
    }

    /// Reads the header of a file. This costs little, whatever the size of the file.
    func look(at request: IngestRequest) throws -> Look {
        let header: HeaderAttributes
        let cut: Truncation?
        let read = try request.file.reading { descriptor in
            Result { () throws(ReadError) in
                var reader = HeaderReader()
                return try reader.readUpToPixels(FileDescriptorSource(descriptor: descriptor))
            }
        }
        do throws(ReadError) {
            (header, cut) = try read.get()
        } catch  where error.code == .io {
            // The disk has failed; the file may be good.
            throw ArchiveError(
                .storage, error.message, cause: error.cause, remedy: error.remedy)
        } catch {
            return .noImage(try refuse(request, error.explanation))
        }
        if header.isMediaStorageDirectory {
            if ignoresDirectories() { return .noImage(.ignored) }
            return .noImage(
                try refuse(
                    request,
                    """
                    This is a DICOMDIR, the table of contents of a disc. The images it lists are \
                    archived by themselves; it is not one of them.
                    """
                ))
        }
        return .image(header, cut: cut)
    }

    /// Refuses a file of which so little was written that to hash it would cost others their time.
    ///
    /// - Returns: `nil` for any other file.
    func refuseHoles(of request: IngestRequest) throws -> IngestOutcome? {
        let (bytes, source) = (request.bytes, "\(request.source)")
        let data = try request.file.reading { file throws(StorageError) -> Int64? in
            guard try Digest.isTooSparse(descriptor: file, bytes: bytes, path: source) else {
                return nil
            }
            return try FileIO.dataBytes(of: file, bytes: bytes, path: source)
        }
        guard let data else { return nil }
        return try refuse(
            request,
            """
            Only \(data) of its \(request.bytes) bytes were ever written; the rest are holes, more \
            than an image has. Copy the original again.
            """
        )
    }

    /// - Parameter known: What ``look(at:)`` has said; `nil` when nobody has looked.
    func prepare(
        _ request: IngestRequest, digest: Digest, known: Look? = nil,
        completion: @escaping IngestPipeline.Completion
    ) throws -> Outcome {
        let staged = StagedBlob(digest: digest, bytes: request.bytes)
        try requireCatalogueRoom()
        volumes.check()
        if let id = try index.read({ try $0.instance(sha256: digest.bytes) }) {
            return .ready(try prepareDuplicate(of: id, request, staged, completion))
        }
        let (header, cut): (HeaderAttributes, Truncation?)
        switch try known ?? look(at: request) {
        case .image(let found, let end): (header, cut) = (found, end)
        case .noImage(let outcome): return .noImage(outcome)
        }
        if request.isLeftover, try request.staging?.volume.isStaged(digest) != true {
            return .noImage(try refuse(request, IncomingDecision.interrupted))
        }
        // A file gets its second name when this has been asked: somebody wanted it as it is.
        if request.acceptance == .wholeImage, let cut, !request.isLeftover {
            return .noImage(try refuse(request, cut.reason))
        }
        let place = DataSetPlace(header)
        let comparison = try place.map {
            try sameDataSet.compare(request.file, bytes: request.bytes, $0)
        }
        let same = comparison?.match?.digest
        // From here on the second name in staging/commit marks the file as closed and whole, even
        // if it does not fit now.
        let isLinked = request.staging.map { volumes.isWritable($0.volume) } ?? false
        if isLinked {
            try request.staging?.volume.stageLink(
                from: request.file.descriptor, as: digest, bytes: request.bytes)
        }
        let targets = try stageSomewhere(staged, from: request, holding: [], isLinked: isLinked)
        if let place, let match = comparison?.match {
            // As little as it can cost.
            for volume in targets {
                volume.shareBlocks(
                    ofStaged: digest, from: Int64(place.offset), with: match.digest,
                    from: match.offset)
            }
        }
        let flags = same == nil ? header.flags : header.flags.union(.sameDataSet)
        return .ready(
            StagedIngest(
                kind: .new(AttributeSet(header), flags: Int64(flags.rawValue), same: same),
                request: request,
                staged: staged, volumes: targets, cutOff: cut?.what, dataSet: place,
                comparedThrough: comparison?.last ?? 0, completion: completion))
    }

    /// A refused file stays in `/incoming` until it is rejected, and is on disk when `close`
    /// returns.
    func refuse(_ request: IngestRequest, _ reason: String) throws -> IngestOutcome {
        if !request.isExtracted {
            try request.staging?.volume.makeIncomingDurable(request.file.descriptor)
        }
        return .refused(reason)
    }

    /// A duplicate is as safe as the copies that are there: those that are not known to be
    /// unchanged since they were hashed are hashed now, and bad ones are replaced from the file at
    /// hand.
    private func prepareDuplicate(
        of id: Int64, _ request: IngestRequest, _ staged: StagedBlob,
        _ completion: @escaping IngestPipeline.Completion
    ) throws -> StagedIngest {
        var prepared = StagedIngest(
            kind: .duplicate(id), request: request, staged: staged, volumes: [],
            completion: completion)
        if let image = try index.read({ try $0.copies(of: id) }) {
            for volume in image.volumes.compactMap({ volumes[$0] }) {
                switch checker.state(of: image, staged.digest, on: volume) {
                case .unchanged: prepared.sound.append(volume)
                case .hashed:
                    prepared.sound.append(volume)
                    prepared.verified.append(volume.identity.ordinal)
                case .bad:
                    guard volumes.isWritable(volume) else { break }
                    prepared.volumes.append(volume)
                    prepared.bad.insert(volume.identity.ordinal)
                }
            }
        }
        // Copies on absent volumes do not count: an image that is reported safe is on as many
        // volumes as are wanted now.
        let holding = Set((prepared.sound + prepared.volumes).map(\.identity.ordinal))
        try stage(staged, from: request, on: prepared.volumes)
        if holding.count < copies.wanted {
            prepared.volumes += try stageSomewhere(
                staged, from: request, holding: holding, isLinked: false)
        }
        return prepared
    }

    /// Chooses volumes and stages the file there; when one of them goes meanwhile, others.
    ///
    /// - Throws: The error, when no volume has failed or too few are left.
    private func stageSomewhere(
        _ staged: StagedBlob, from request: IngestRequest, holding: Set<Int>, isLinked: Bool
    ) throws -> [Volume] {
        while true {
            let targets = try volumes.choose(
                copies: copies.wanted, minimum: copies.minimum, bytes: staged.bytes,
                holding: holding)
            do {
                try stage(staged, from: request, on: targets, isLinked: isLinked)
                return targets
            } catch {
                for volume in targets { volumes.suspect(volume, error) }
                guard targets.contains(where: { !volumes.isWritable($0) }) else { throw error }
            }
        }
    }

    /// - Parameter isLinked: Whether the file has its second name already.
    private func stage(
        _ staged: StagedBlob, from request: IngestRequest, on targets: [Volume],
        isLinked: Bool = false
    ) throws {
        do {
            for volume in targets {
                if volume === request.staging?.volume {
                    if isLinked { continue }
                    try volume.stageLink(
                        from: request.file.descriptor, as: staged.digest, bytes: staged.bytes,
                        reading: request.file.disk)
                } else {
                    try volume.stageCopy(
                        from: request.file.descriptor, as: staged.digest, bytes: staged.bytes,
                        // A file of /incoming cannot change now; an imported file may.
                        checking: request.staging == nil, reading: request.file.disk)
                }
            }
        } catch {
            // Useless copies take space; the link takes none, and marks the file.
            for volume in targets where volume !== request.staging?.volume {
                try? volume.finish([staged.digest])
            }
            throw error
        }
    }

    /// Chooses other volumes for a file after some have failed.
    ///
    /// - Parameter failed: Volumes on which it cannot be stored.
    /// - Throws: ``ArchiveError`` when there are too few others.
    func retarget(_ prepared: StagedIngest, without failed: [Volume]) throws -> StagedIngest {
        var prepared = prepared
        prepared.volumes.removeAll { volume in
            failed.contains { $0 === volume } || !volumes.isWritable(volume)
        }
        // Of a duplicate only copies that were seen to be good count, on volumes that are there.
        prepared.sound.removeAll { volume in
            failed.contains { $0 === volume } || volumes[volume.identity.ordinal] !== volume
        }
        let holding = (prepared.sound + prepared.volumes).map(\.identity.ordinal)
        prepared.volumes += try stageSomewhere(
            prepared.staged, from: prepared.request, holding: Set(holding), isLinked: false)
        let count = prepared.volumes.count + prepared.sound.count
        guard count >= copies.minimum else {
            throw ArchiveError(
                .storage, "Only \(count) of \(copies.minimum) copies can be made.",
                remedy: "Look at \"pacsfs status\"."
            )
        }
        return prepared
    }
}
