import Glibc
import System

/// The segments of one site's ledger on one volume.
///
/// ```
/// VOLUME/ledger/<site>/
///   000001.jsonl      closed: at least 16 MiB, never changed again
///   000002.jsonl      …
///   000003.jsonl      the last one, which grows
/// ```
///
/// The chain of hashes continues from the last line of a segment to the first of the next.
final class LedgerFolder: Sendable {
    private let directory: Directory
    let disk: DiskCalls?
    /// The name of the folder.
    let site: String

    /// The files of a folder.
    struct Listing: Sendable {
        /// The sizes of the segments in bytes, by their number. An empty segment, left by a crash
        /// before its first record, is left out.
        var sizes: [Int: Int64] = [:]
        /// Sorted names of everything else.
        var strayNames: [String] = []
    }

    init(_ directory: consuming Directory, site: String, disk: DiskCalls? = nil) {
        self.directory = directory
        self.disk = disk
        self.site = site
    }

    /// Opens the ledger of a site on a volume.
    ///
    /// - Throws: `notFound` when the volume has none.
    convenience init(site: String, on volume: Volume) throws(StorageError) {
        self.init(try volume.ledger.openDirectory(site), site: site, disk: volume.calls)
    }

    /// Makes the ledger of a site on a volume, durably, unless it is there.
    ///
    /// - Throws: What a system call says.
    convenience init(making site: String, on volume: Volume) throws(StorageError) {
        try volume.ledger.makeDirectory(site)
        // Even if it was there: a process that died may have made it just before.
        do throws(StorageError) {
            try volume.ledger.sync()
        } catch  where error.code == .readOnly {}
        try self.init(site: site, on: volume)
    }

    static func name(_ segment: Int) -> String {
        let digits = String(segment)
        return String(repeating: "0", count: max(0, 6 - digits.count)) + digits + ".jsonl"
    }

    func path(_ segment: Int) -> String { directory.path(of: Self.name(segment)) }

    /// - Throws: `io` when the folder cannot be read.
    func list() throws(StorageError) -> Listing {
        try Volume.on(disk, at: directory.path) { [self] () throws(StorageError) in
            try listNow()
        }
    }

    private func listNow() throws(StorageError) -> Listing {
        var listing = Listing()
        for name in try directory.entries() {
            guard let facts = try directory.facts(name) else { continue }
            guard name.hasSuffix(".jsonl"), let segment = Int(name.dropLast(6)), segment > 0,
                name == Self.name(segment), facts.isRegular
            else {
                listing.strayNames.append(name)
                continue
            }
            if facts.bytes > 0 { listing.sizes[segment] = facts.bytes }
        }
        listing.strayNames.sort()
        return listing
    }

    /// Opens a segment.
    ///
    /// - Throws: `notFound` when it is not there.
    func open(_ segment: Int, _ flags: Int32 = O_RDONLY) throws(StorageError) -> Descriptor {
        try Volume.opening(on: disk, at: directory.path) { [self] () throws(StorageError) in
            try directory.openFile(Self.name(segment), flags)
        }
    }

    /// Opens a segment for writing, and makes it when it should be empty and is not there.
    ///
    /// - Parameter size: The bytes it should have.
    /// - Throws: `diverged` when it has others: another program wrote to it.
    func openForWriting(_ segment: Int, size: Int64) throws(StorageError) -> Descriptor {
        let file = try directory.openFile(
            Self.name(segment), size == 0 ? O_RDWR | O_CREAT : O_RDWR)
        try requireSize(size, of: file, segment)
        if size == 0 { try directory.sync() }
        return file
    }

    /// Removes everything in the folder, the last segment first: what is left is a beginning.
    func clear() throws(StorageError) {
        for name in try directory.entries().sorted().reversed() { try directory.remove(name) }
        try directory.sync()
    }

    /// - Throws: `diverged` when a segment has not the size it should have, or its name was
    ///   given to another file.
    func requireSize(
        _ size: Int64, of file: borrowing Descriptor, _ segment: Int
    ) throws(StorageError) {
        let facts = try file.facts(path: path(segment))
        guard facts.bytes == size, facts.links > 0 else {
            throw StorageError(
                .diverged,
                facts.links == 0
                    ? "the ledger was replaced by another file"
                    : "the ledger has \(facts.bytes) bytes where \(size) were written",
                path: path(segment),
                remedy: "Another program wrote to it; stop it, then start pacsfs again")
        }
    }

    /// The last `count` bytes before `end` of a segment, or as many as there are.
    ///
    /// - Throws: `notFound` when it is not there.
    func bytes(_ segment: Int, before end: Int64, count: Int64) throws(StorageError) -> [UInt8] {
        let start = max(0, end - count)
        return try Volume.on(disk, at: directory.path) { [self] () throws(StorageError) in
            try open(segment).bytes(at: start, count: Int(end - start), path: path(segment))
        }
    }
}
