import Offsite
import Storage
import System
import TagIndex

/// Where an image lies off-site.
public struct OffsitePlace: Hashable, Sendable {
    /// The name of the remote.
    public var remote: String
    public var place: BlobPlace
}

extension OffsitePlace {
    init(_ row: OffsiteRow, _ digest: Digest) {
        self.init(
            remote: row.remote,
            place: BlobPlace(
                digest: digest, object: row.object, offset: row.offset, bytes: row.bytes))
    }
}

/// Images on remotes, for those who want them back.
struct OffsiteCopies: Sendable {
    private let core: ArchiveCore
    /// The program; tests have others.
    private let rclone: Rclone
    /// Remotes that were used, so that their keys are not prepared anew each time.
    private let known: SharedAccess

    private final class SharedAccess: Sendable {
        let state = Lock<[String: (secrets: RemoteSecrets, access: RemoteAccess)]>([:])
    }

    init(_ core: ArchiveCore, rclone: Rclone = Rclone()) {
        (self.core, self.rclone) = (core, rclone)
        known = SharedAccess()
    }

    /// The places of an image, one on each remote that is believed to have it.
    ///
    /// - Throws: ``ArchiveError`` when the index cannot be read.
    func places(of digest: Digest) throws(ArchiveError) -> [OffsitePlace] {
        try ArchiveError.from {
            try core.index.read { try $0.offsitePlaces(sha256: digest.bytes) }.map { row in
                OffsitePlace(row, digest)
            }
        }
    }

    /// Where an image was when it was brought away, good or not now: servers that keep versions
    /// still have it.
    private func versions(
        of digest: Digest
    ) throws -> [(place: OffsitePlace, time: Timestamp)] {
        try core.index.read { reader in
            try reader.offsitePlaces(sha256: digest.bytes)
                + reader.offsitePlaces(sha256: digest.bytes, areFaulty: true)
        }.map { row in
            // The times of versions have whole seconds.
            (OffsitePlace(row, digest), Timestamp(nanoseconds: row.recorded + 1_000_000_000))
        }
    }

    /// A remote, ready to be used. Each caller has one of its own: one job runs at a time on it.
    ///
    /// - Throws: ``ArchiveError`` when it has no keys here; `OffsiteError` when rclone is missing.
    func access(to name: String) throws -> RemoteAccess {
        let secrets = try RemoteSecrets(name, of: core.path)
        if let found = known.state.withLock({ $0[name] }), found.secrets == secrets {
            return found.access.another()
        }
        let access = try RemoteAccess(secrets.configuration(), rclone)
        known.state.withLock { $0[name] = (secrets, access) }
        return access.another()
    }

    /// Fetches an image from the first remote that gives the right bytes.
    ///
    /// - Parameters:
    ///   - isWanted: Asked every second; when nobody wants it any more, that ends.
    ///   - begin: Called before the first byte of each attempt: what came before is void.
    ///   - body: Called with the bytes in their order. They are proven only when this returns.
    /// - Returns: The place that they came from.
    /// - Throws: ``ArchiveError`` with code `noGoodCopy` and the reason of the last remote.
    func fetch(
        _ digest: Digest, isWanted: @escaping () -> Bool = { true }, begin: () throws -> Void,
        _ body: (UnsafeRawBufferPointer) throws(OffsiteError) -> Void
    ) throws -> OffsitePlace {
        var reason: (any Error)?
        for place in try places(of: digest) {
            do {
                let access = try access(to: place.remote)
                try begin()
                try access.fetch(place.place, isWanted: isWanted, body)
                return place
            } catch {
                if !isWanted() { throw error }
                core.log.error(
                    """
                    The image \(digest.hex) cannot be fetched from the remote "\(place.remote)": \
                    \(error)
                    """
                )
                reason = error
            }
        }
        for (place, time) in try versions(of: digest) {
            guard let access = try? access(to: place.remote), access.mayHaveVersions else {
                continue
            }
            do {
                try begin()
                try access.fetch(place.place, at: time, isWanted: isWanted, body)
                core.log.notice(
                    """
                    The image \(digest.hex) was changed or deleted on the remote \
                    "\(place.remote)"; the version of \(time) was fetched.
                    """
                )
                return place
            } catch {
                if !isWanted() { throw error }
            }
        }
        throw ArchiveError(
            .noGoodCopy, "The image \(digest.hex) is not to be had from any remote", cause: reason,
            remedy: "See \"pacsfs status\".")
    }
}

extension Archive {
    /// The places of an image on remotes; empty when it is on none.
    ///
    /// - Throws: ``ArchiveError`` when the index cannot be read.
    public func offsitePlaces(of digest: Digest) throws(ArchiveError) -> [OffsitePlace] {
        try OffsiteCopies(core).places(of: digest)
    }
}
