/// Reads and hashes every blob of a volume, and compares them with the expected ones.
///
/// ```swift
/// let scan = try volume.scan(.init(threads: 2))
/// let end = try scan.run(expecting: blobs(in:)) { finding in
///     if case .bad(let blob, let fault) = finding { heal(blob, fault) }
/// }
/// ```
///
/// A scan goes through the 256 outer folders `blobs/ab` in order. For each it lists the names that
/// are there, and gets the expected digests from the caller. Files in both lists are read, by
/// several threads, in the order of their inodes, which on a disk is about the order of the blocks.
/// Only the names of a few outer folders are in memory at a time.
///
/// A scan changes nothing, not even times of access. The bytes it reads do not stay in the page
/// cache unless they were there before, so that the images in use are not pushed out. It may run
/// while files are archived: the expected digests are asked for before a folder is listed, so that
/// new blobs show as unexpected and never as missing.
public struct BlobScan: Sendable {
    /// How blobs are read.
    public struct Options: Sendable {
        /// How many files are read at once.
        public var threads = 2
        /// The limit of the rate; `nil` for none. Scans that share it share the rate.
        public var pace: Pace?
        /// Whether the reads of other programs go first: IO class idle, where the scheduler of the
        /// disk supports it.
        public var isIdle = false

        public init(threads: Int = 2, pace: Pace? = nil, isIdle: Bool = false) {
            self.threads = threads
            self.pace = pace
            self.isIdle = isIdle
        }
    }

    /// How a scan ended.
    public enum End: Hashable, Sendable {
        case complete
        /// The caller stopped it.
        case stopped
    }

    /// The outer folders, all of them.
    public static let allFolders: ClosedRange<UInt8> = 0...255

    private let source: BlobSource
    private let options: Options

    init(_ source: BlobSource, _ options: Options) {
        self.source = source
        self.options = options
    }

    /// Scans outer folders. All closures but `shouldStop` are called on the calling thread.
    ///
    /// - Parameters:
    ///   - folders: The folders, in this order; each is the first byte of the digests in it.
    ///   - expecting: The blobs that should be in an outer folder, in the order of their
    ///     digests; called before the folder is listed.
    ///   - shouldStop: Called between reads, by any thread; once it returns true, the scan ends as
    ///     soon as the reads under way.
    ///   - completed: Called when all findings of an outer folder have been reported.
    ///   - report: Called with each finding, in no order within a folder.
    /// - Throws: The errors of the closures, and `io` when `blobs` itself cannot be listed.
    public func run(
        _ folders: some Sequence<UInt8> = allFolders,
        expecting: (UInt8) throws -> [ExpectedBlob],
        shouldStop: @escaping @Sendable () -> Bool = { false },
        completed: (UInt8) throws -> Void = { _ in },
        report: (BlobFinding) throws -> Void
    ) throws -> End {
        let work = ScanWork(source, options, shouldStop: shouldStop)
        defer { work.end() }
        for finding in try onDisk({ source throws(StorageError) in try source.strayNames() }) {
            try report(finding)
        }
        var iterator = folders.makeIterator()
        var isListed = false
        while !shouldStop() {
            // A few folders are listed ahead, so that no thread waits for a listing.
            while !isListed, work.wantsMore, !shouldStop() {
                guard let folder = iterator.next() else {
                    isListed = true
                    break
                }
                let expected = try expecting(folder)
                let listing = try onDisk { source in source.list(folder, expecting: expected) }
                for finding in listing.findings { try report(finding) }
                listing.items.isEmpty ? try completed(folder) : work.add(folder, listing.items)
            }
            let events = work.events(unless: shouldStop)
            if work.isLost { throw StorageError.notAnswering(source.path, after: source.patience) }
            if events.isEmpty, isListed { return shouldStop() ? .stopped : .complete }
            for event in events {
                switch event {
                case .finding(let finding): try report(finding)
                case .completed(let folder): try completed(folder)
                }
            }
        }
        return .stopped
    }
}

extension BlobScan {
    private func onDisk<R: Sendable>(
        _ body: @escaping @Sendable (BlobSource) throws(StorageError) -> R
    ) throws(StorageError) -> R {
        try Volume.on(source.disk, at: source.path) { [source] () throws(StorageError) in
            try body(source)
        }
    }
}

/// A blob that should be on a volume.
public struct ExpectedBlob: Hashable, Sendable {
    public var digest: Digest
    /// The size it must have.
    public var bytes: Int64

    public init(digest: Digest, bytes: Int64) {
        self.digest = digest
        self.bytes = bytes
    }
}

/// A fault of a copy of a blob.
public enum BlobFault: Hashable, Sendable {
    /// It is not there.
    case missing
    /// It has another size: this many bytes.
    case wrongSize(Int64)
    /// Its bytes do not have the SHA-256 of its name.
    case altered
    /// It cannot be read, for this reason.
    case unreadable(String)
}

/// A finding of a scan.
public enum BlobFinding: Hashable, Sendable {
    /// An expected blob with the right content.
    case good(ExpectedBlob)
    /// An expected blob with a fault.
    case bad(ExpectedBlob, BlobFault)
    /// A blob that is not expected; `fault` is `nil` when it has the right content.
    case unexpected(ExpectedBlob, fault: BlobFault?)
    /// Not a blob: its name is not `<sha256>.dcm`, it is in the wrong folder, or it is not a plain
    /// file. The path is below `blobs`.
    case foreign(path: String, reason: String)
}

extension Volume {
    /// A scan of this volume's blobs.
    ///
    /// - Throws: `io` when the volume is gone.
    public func scan(_ options: BlobScan.Options = BlobScan.Options()) throws(StorageError)
        -> BlobScan
    {
        BlobScan(
            try onDisk { [self] () throws(StorageError) in try BlobSource(blobs, disk: calls) },
            options)
    }
}
