import Offsite
import Storage
import System
import TagIndex

/// Fetches images of which no volume has a good copy, when somebody opens them, and puts them on
/// the volumes again.
///
/// rclone takes seconds, or does not end: those who wait hold no lock and no thread of a disk.
/// They are called when it has ended. A remote on which nothing moves is given up after `patience`.
final class OffsiteReader: Sendable {
    typealias Outcome = Archive.FetchResult

    private struct Fetch: Sendable {
        var instance: Int64
        var isWanted: @Sendable () -> Bool
        var completion: @Sendable (Outcome) -> Void
    }

    private struct State {
        var waiting: [Fetch] = []
        var threads = 0
        var isStopping = false
    }

    private let core: ArchiveCore
    private let images: ImageReader
    private let remotes: OffsiteCopies
    private let state = Monitor(State())

    /// How many images are fetched at once; others wait their turn.
    private static let threads = 8

    init(_ core: ArchiveCore, images: ImageReader) {
        (self.core, self.images) = (core, images)
        remotes = OffsiteCopies(
            core, rclone: Rclone().givingUp(after: Int64(core.settings.patience * 1e9)))
    }

    /// Begins to fetch an image.
    ///
    /// - Parameters:
    ///   - isWanted: Asked every second.
    ///   - completion: Called once, from another thread.
    func fetch(
        _ instance: Int64, isWanted: @escaping @Sendable () -> Bool,
        completion: @escaping @Sendable (Outcome) -> Void
    ) {
        let fetch = Fetch(instance: instance, isWanted: isWanted, completion: completion)
        let isStarting = state.withLock { state in
            state.waiting.append(fetch)
            guard state.threads < Self.threads else { return false }
            state.threads += 1
            return true
        }
        guard isStarting else { return }
        do throws(Errno) {
            _ = try WorkerThread("fetch") { [self] in
                while let next = next() { next.completion(outcome(of: next)) }
            }
        } catch {
            let left = state.withLock(waking: .all) { state in
                state.threads -= 1
                defer { if state.threads == 0 { state.waiting = [] } }
                return state.threads == 0 ? state.waiting : []
            }
            let failure = ArchiveError(
                .resources, "No thread can be started to fetch an image", cause: error,
                remedy: "Raise TasksMax of the service.")
            for fetch in left { fetch.completion(.failed(failure)) }
        }
    }

    private func next() -> Fetch? {
        state.withLock(waking: .all) { state in
            if !state.waiting.isEmpty { return state.waiting.removeFirst() }
            state.threads -= 1
            return nil
        }
    }

    /// Lets no fetch go on, and waits for those under way.
    func stop() {
        state.withLock(waking: .all) { $0.isStopping = true }
        state.wait { $0.threads == 0 ? () : nil }
    }

    private func isWanted(_ fetch: Fetch) -> Bool {
        !state.withLock({ $0.isStopping }) && fetch.isWanted()
    }

    private func outcome(of fetch: Fetch) -> Outcome {
        guard isWanted(fetch) else { return .unwanted }
        do {
            try bring(fetch.instance) { [self] in isWanted(fetch) }
            return .fetched
        } catch {
            if !isWanted(fetch) { return .unwanted }
            let error = ArchiveError(error)
            core.log.error("\(error)")
            return .failed(error)
        }
    }

    private func bring(_ instance: Int64, _ isWanted: @escaping () -> Bool) throws {
        guard let image = try core.index.read({ try $0.copies(of: instance) }),
            let digest = Digest(bytes: image.sha256)
        else { throw ArchiveError(.notFound, "There is no image with number \(instance).") }
        let targets = try core.volumes.choose(
            copies: core.settings.copies, minimum: 1, bytes: image.bytes, holding: [],
            allowingFull: true)
        let file = try targets[0].makeUnnamedFile()
        var offset: Int64 = 0
        let place = try remotes.fetch(digest, isWanted: isWanted) {
            offset = 0
        } _: { (piece) throws(OffsiteError) in
            do throws(StorageError) { try file.write(piece, at: offset) } catch {
                throw OffsiteError(
                    .noLocalSpace, "A fetched image cannot be kept", path: targets[0].path,
                    remedy: "Make room there.", cause: error)
            }
            offset += Int64(piece.count)
        }
        try images.repairs.exclusively([digest]) {
            let blob = StagedBlob(digest: digest, bytes: image.bytes)
            var round = CopyRound()
            for target in targets {
                try target.stageCopy(
                    from: file.descriptor, as: digest, bytes: image.bytes, checking: true,
                    reading: targets[0].calls)
                round.add(blob, on: target)
            }
            guard try !round.commit(in: core).isEmpty else {
                throw ArchiveError(
                    .storage, "The image \(digest.hex) was fetched and could not be stored.",
                    remedy: "See \"pacsfs status\".")
            }
        }
        images.checker.verified.forget(instance)
        core.observers.healed(image: instance)
        core.log.notice(
            "The image \(digest.hex) was fetched from the remote \"\(place.remote)\".")
    }
}

extension Archive {
    /// What has become of a fetch.
    public enum FetchResult: Sendable {
        /// It can be opened now.
        case fetched
        /// Nobody wanted it any more.
        case unwanted
        /// Why not; the log says it too.
        case failed(ArchiveError)
    }

    /// Begins to fetch an image that no volume has, and that is off-site: ``openBlob(of:)`` throws
    /// `onlyOffsite` then.
    ///
    /// - Parameters:
    ///   - instance: `instance.id`.
    ///   - isWanted: Asked every second; when nobody wants it any more, that ends.
    ///   - completion: Called once, from another thread.
    public func fetch(
        _ instance: Int64, isWanted: @escaping @Sendable () -> Bool,
        completion: @escaping @Sendable (FetchResult) -> Void
    ) {
        reader.fetch(instance, isWanted: isWanted, completion: completion)
    }
}
