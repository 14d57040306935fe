import Storage
import System
import TagIndex

/// Opens copies, and finds out whether they are good.
///
/// A copy is good when its file is unchanged since its bytes were hashed; otherwise its bytes are
/// hashed now. "Unchanged" means the same ``BlobStamp``, which this process has seen: neither a
/// time in the index nor presence and size prove anything. The index keeps when a copy was read to
/// the end, which is after the reading began, by a clock that somebody may set back; and ingest
/// itself changes the file after its record, when the other names of the file go. So after a
/// restart every copy that something relies on is hashed once.
struct CopyChecker: Sendable {
    /// The stamps of copies that were hashed.
    let verified: VerifiedBlobs
    let clock: any MonotonicClock

    init(verified: VerifiedBlobs = VerifiedBlobs(), clock: any MonotonicClock = SystemClock()) {
        (self.verified, self.clock) = (verified, clock)
    }

    /// Images that are larger, in bytes, are hashed once, and again when they change: a viewer
    /// would wait for seconds each day. The scrub finds what changes without a trace.
    static let hashedOnce: Int64 = 64 << 20
    /// How long a smaller one that was hashed counts as good, ns.
    static let trust: Int64 = 86_400_000_000_000

    /// What was found of a copy.
    enum Finding {
        /// It is good: an open descriptor, which the caller closes, the file it leads to, and
        /// whether that was known before.
        case good(Int32, VerifiedBlob, wasKnown: Bool)
        case bad(CopyProblem)
        /// Nobody wants it any more.
        case unwanted
    }

    /// Whether a file that was hashed may still count as good, unless it has changed.
    func isRecent(_ blob: VerifiedBlob) -> Bool {
        !blob.isAmbiguous
            && (blob.stamp.bytes > Self.hashedOnce || clock.now - blob.checked < Self.trust)
    }

    /// Opens a copy that is good.
    ///
    /// - Parameters:
    ///   - image: The image. Its copies on other volumes are not looked at.
    ///   - isReading: Whether it is opened for a reader: the next one gets the same file.
    ///   - isWanted: Asked now and then while a copy is hashed.
    /// - Throws: The error when it cannot be opened or read.
    func open(
        _ image: ImageCopies, _ digest: Digest, on volume: Volume, isReading: Bool = false,
        isWanted: () -> Bool = { true }
    ) throws(StorageError) -> Finding {
        let file = try volume.openBlob(digest)
        let stamp = try volume.stamp(ofOpen: file.number)
        guard stamp.bytes == image.bytes else { return .bad(.truncated) }
        if let known = verified[image.id, on: volume], isRecent(known), known.stamp == stamp {
            if isReading { verified.put(known, isReading: true) }
            return .good(file.release(), known, wasKnown: true)
        }
        let blob = VerifiedBlob(
            instance: image.id, digest: digest, volume: volume, stamp: stamp, checked: clock.now)
        let path = "\(volume.path)/\(volume.blobPath(digest))"
        switch try Self.hash(file.number, bytes: image.bytes, path, on: volume, isReading, isWanted)
        {
        case nil: return .unwanted
        case digest:
            verified.put(blob, isReading: isReading)
            return .good(file.release(), blob, wasKnown: false)
        default:
            verified.forget(image.id, on: volume)
            return .bad(.altered)
        }
    }

    private static func hash(
        _ file: Int32, bytes: Int64, _ path: String, on volume: Volume, _ isReading: Bool,
        _ isWanted: () -> Bool
    ) throws(StorageError) -> Digest? {
        // Those who read are on a lane.
        if !isReading, DiskWork.current == nil {
            return try volume.onDisk { () throws(StorageError) in
                try Digest.of(descriptor: file, bytes: bytes, path: path)
            }
        }
        var result: Result<Digest?, StorageError>?
        func read() {
            result = Result { () throws(StorageError) in
                try Digest.of(
                    descriptor: file, bytes: bytes, path: path, isWanted: isWanted)
            }
        }
        if let disk = volume.calls { _ = disk.callHere(read) } else { read() }
        guard let result, !volume.hasGivenUp else { throw .notAnswering(path, after: 0) }
        return try result.get()
    }

    /// The state of a copy that nobody reads now.
    enum State {
        case unchanged
        /// Its bytes were hashed just now.
        case hashed
        /// It is bad, or cannot be read.
        case bad
    }

    /// Finds out whether a copy is good.
    func state(of image: ImageCopies, _ digest: Digest, on volume: Volume) -> State {
        guard case .good(let file, _, let wasKnown) = try? open(image, digest, on: volume) else {
            return .bad
        }
        _ = Descriptor(owning: file)
        return wasKnown ? .unchanged : .hashed
    }

    /// Whether a copy is unchanged since it was hashed. Its bytes are not read.
    func isUnchanged(_ instance: Int64, _ digest: Digest, on volume: Volume) -> Bool {
        guard let known = verified[instance, on: volume], isRecent(known) else { return false }
        return volume.stamp(of: digest) == known.stamp
    }
}
