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
/// The chain of hashes goes on from the last line of a segment to the first of the next.
final class LedgerFolder: Sendable {
    private let directory: Directory
    /// The volume on which it is.
    let volume: Volume
    /// The site, a name of a folder.
    let site: String

    /// Opens the folder.
    ///
    /// - Parameter making: Make it, durably, when it is not there.
    /// - Throws: `notFound` when it is not there.
    init(volume: Volume, site: String, making: Bool) throws(StorageError) {
        self.volume = volume
        self.site = site
        if making {
            try volume.ledger.makeDirectory(site)
            // Whether it was there or not: a process that died may have made it just before.
            do throws(StorageError) {
                try volume.ledger.sync()
            } catch  where error.code == .readOnly {}
        }
        directory = try volume.ledger.openDirectory(site)
    }

    static func name(_ segment: Int) -> String {
        let digits = String(segment)
        return String(repeating: "0", count: max(0, 6 - digits.count)) + digits + ".jsonl"
    }

    func path(_ segment: Int) -> String { directory.path(of: Self.name(segment)) }

    /// The sizes in bytes of the segments that are there, by their number. An empty one, left
    /// by a crash before its first record, is as good as none.
    func sizes() throws(StorageError) -> [Int: Int64] {
        var sizes: [Int: Int64] = [:]
        for name in try directory.entries() {
            guard name.hasSuffix(".jsonl"), let segment = Int(name.dropLast(6)), segment > 0,
                name == Self.name(segment), let facts = try directory.facts(name),
                facts.bytes > 0
            else { continue }
            sizes[segment] = facts.bytes
        }
        return sizes
    }

    /// Opens a segment that is there.
    func open(_ segment: Int, _ flags: Int32 = O_RDONLY) throws(StorageError) -> Descriptor {
        try directory.openFile(Self.name(segment), flags)
    }

    /// Opens a segment for writing, and makes it when it should be empty and is not there.
    ///
    /// - Throws: `diverged` when it has not the size it should have: somebody else wrote to it.
    func openForWriting(_ segment: Int, size: Int64) throws(StorageError) -> Descriptor {
        let file = try directory.openFile(
            Self.name(segment), size == 0 ? O_RDWR | O_CREAT : O_RDWR)
        try requireSize(size, of: file, segment)
        if size == 0 { try directory.sync() }
        return file
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
    func bytes(_ segment: Int, before end: Int64, count: Int64) throws(StorageError) -> [UInt8] {
        let start = max(0, end - count)
        return try open(segment).bytes(
            at: start, count: Int(end - start), path: path(segment))
    }
}
