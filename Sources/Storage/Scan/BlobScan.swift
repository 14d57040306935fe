/// Reads every blob of a volume, hashes it, and compares what is there with what should be.
///
/// ```swift
/// let scan = try volume.scan(.init(threads: 2))
/// let end = try scan.run(expecting: blobs(in:)) { finding in
///     if case .bad(let blob, let fault) = finding { heal(blob, fault) }
/// }
/// ```
///
/// A scan goes through the 256 outer folders `blobs/ab` in order. Of each it takes the names
/// that are there, and from the caller the digests that should be; what is in both lists is
/// read, by several threads, in the order of the inodes, which on a disk is about the order of
/// the blocks. Names of a few outer folders are in memory at a time and nothing else.
///
/// A scan changes nothing: not even the times of access, and what it read does not stay in
/// the page cache unless it was there before, so that it does not push out what a clinic
/// looks at. It may run while files are archived: what is expected is asked for before a
/// folder is listed, so that new blobs show as unexpected and never as missing.
public struct BlobScan: Sendable {
    /// How it is read.
    public struct Options: Sendable {
        /// How many files are read at once.
        public var threads = 2
        /// What limits the rate; `nil` for none. Scans that share one share the rate.
        public var pace: Pace?
        /// Whether other programs' reads go first: IO class idle, where the scheduler of the
        /// disk knows it.
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
        /// The caller told it to stop.
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
    ///   - folders: Which, in this order; each is the first byte of the digests in it.
    ///   - expecting: The blobs that should be in an outer folder, in the order of their
    ///     digests; called before the folder is listed.
    ///   - shouldStop: Asked between reads, by any thread; from the first yes on the scan ends
    ///     as fast as the reads under way.
    ///   - completed: Called when all findings of an outer folder have been reported.
    ///   - report: Called with each finding, in no order within a folder.
    /// - Throws: What the closures throw, and `io` when `blobs` itself cannot be listed.
    public func run(
        _ folders: some Sequence<UInt8> = allFolders,
        expecting: (UInt8) throws -> [ExpectedBlob],
        shouldStop: @escaping @Sendable () -> Bool = { false },
        completed: (UInt8) throws -> Void = { _ in },
        report: (BlobFinding) throws -> Void
    ) throws -> End {
        let work = ScanWork(source, options, shouldStop: shouldStop)
        defer { work.end() }
        for finding in try source.strayNames() { try report(finding) }
        var iterator = folders.makeIterator()
        var isListed = false
        while !shouldStop() {
            // Names of a few folders are at hand, so that no thread waits for a listing.
            while !isListed, work.wantsMore, !shouldStop() {
                guard let folder = iterator.next() else {
                    isListed = true
                    break
                }
                let listing = source.list(folder, expecting: try expecting(folder))
                for finding in listing.findings { try report(finding) }
                listing.items.isEmpty ? try completed(folder) : work.add(folder, listing.items)
            }
            let events = work.events(unless: shouldStop)
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

/// What is wrong with a copy of a blob.
public enum BlobFault: Hashable, Sendable {
    /// It is not there.
    case missing
    /// It has another size: this many bytes.
    case wrongSize(Int64)
    /// Its bytes are not what its name says.
    case altered
    /// It cannot be read: the message of the system call that failed.
    case unreadable(String)
}

/// What a scan found.
public enum BlobFinding: Hashable, Sendable {
    /// Expected, there, and its content is what its name says.
    case good(ExpectedBlob)
    /// Expected, and not what it should be.
    case bad(ExpectedBlob, BlobFault)
    /// It has the name and the place of a blob, and nobody expects it. `fault` is `nil` when
    /// its content is what its name says.
    case unexpected(ExpectedBlob, fault: BlobFault?)
    /// No blob: its name is no `<sha256>.dcm`, it is in the wrong folder, or it is no plain
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
        BlobScan(try BlobSource(blobs), options)
    }
}
