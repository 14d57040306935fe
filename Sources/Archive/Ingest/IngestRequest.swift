import Storage
import System

/// An open file that somebody keeps open for as long as the archive needs it.
public struct IngestFile: Sendable {
    public let descriptor: Int32
    private let owner: any AnyObject & Sendable
    /// Where it is, when that is the disk of a volume.
    let disk: DiskCalls?

    /// - Parameter staging: Where it is, if that is a volume.
    public init(
        _ descriptor: Int32, owner: any AnyObject & Sendable, on staging: StagingArea? = nil
    ) {
        self.init(descriptor, owner: owner, disk: staging?.volume.calls)
    }

    init(_ descriptor: Int32, owner: any AnyObject & Sendable, disk: DiskCalls?) {
        self.descriptor = descriptor
        self.owner = owner
        self.disk = disk
    }

    /// Calls `body`, which reads the file, also when its disk was given up: it may be nowhere else.
    ///
    /// - Throws: What `body` throws; `notAnswering` when the disk does not answer.
    func reading<R: Sendable>(
        _ body: @escaping @Sendable (Int32) throws(StorageError) -> R
    ) throws(StorageError) -> R {
        guard let disk else { return try body(descriptor) }
        return try disk.call(
            isLastTry: true,
            otherwise: { .notAnswering("a file in incoming", after: disk.patience.limit) }
        ) { [self] () throws(StorageError) in try body(descriptor) }
    }
}

/// A file that is to be archived.
public struct IngestRequest: Sendable {
    public var file: IngestFile
    /// Where it comes from.
    public var source: IngestSource
    /// Its size. It does not change until the completion was called.
    public var bytes: Int64
    /// Its digest, when that is known already.
    public var digest: Digest?
    /// Where its `/incoming` is when it lies there: it can become a blob without a copy then.
    public var staging: StagingArea?
    public var acceptance = Acceptance.anyImage
    /// The uid of its owner: users take turns when their zip archives are unpacked.
    public var user: UInt32 = 0
    /// Whether an earlier run left it in `/incoming`. It is archived if it is archived already, or
    /// its second name in `staging/commit` says that it is whole; otherwise it is half a file.
    public var isLeftover = false
    /// Whether it is a zip archive; `nil` when nobody has looked.
    public var isZip: Bool?
    /// Learns how far it is, when it is a zip archive.
    public var unpacking: Unpacking?
    /// Whether it was unpacked into a file without a name, which goes when it is refused.
    var isExtracted = false
    /// Why nothing of it is archived, when that is known without a look.
    var refusal: String? { if case .nothing(let reason) = acceptance { reason } else { nil } }
    /// Its place among files that are to be archived in their order.
    var turn: (sequence: IngestSequence, number: Int)?

    public init(
        file: IngestFile, source: IngestSource, bytes: Int64, digest: Digest?,
        staging: StagingArea? = nil
    ) {
        self.file = file
        self.source = source
        self.bytes = bytes
        self.digest = digest
        self.staging = staging
    }
}

/// Which content of a file is archived.
public enum Acceptance: Sendable, Equatable {
    /// An image as it is, also one that ends before its data set does: a person or a checksum
    /// vouches for it.
    case anyImage
    /// An image whose data set is all there. The writer of another may have gone in the middle
    /// without anybody noticing: it is refused.
    case wholeImage
    /// Nothing, for this reason: the file is made durable where it lies, and refused.
    case nothing(because: String)
}

/// What became of a file.
public enum IngestOutcome: Sendable, Equatable {
    /// It is durable on as many volumes as are wanted; `instance.id`, and what is missing when the
    /// file ends before its data set does.
    case archived(Int64, cutOff: String? = nil)
    /// The same, and an earlier image has the same data set: only the preamble or group 0002 of
    /// the files differ. Both are kept; `instance.id` of this one.
    case sameDataSet(Int64, cutOff: String? = nil)
    /// The same bytes were there, and every copy of them is good; `instance.id`.
    case duplicate(Int64)
    /// It was a zip archive, and its images are safe as those that are archived by themselves.
    case unpacked(images: Int)
    /// It is of a kind that is not wanted: a DICOMDIR. Nothing was stored.
    case ignored
    /// It is no image, for this reason. Nothing was stored: the caller sets it aside.
    case refused(String)
}
