import Glibc
import System

/// The ledger of a site as it lies off-site: closed segments, and the open one in numbered pieces,
/// because nothing there is changed once it is written.
///
/// ```
/// ledger/<site>/000001.jsonl                 closed segments
/// ledger/<site>/tail/<first>-<last>.jsonl    records of the open one, by their numbers
/// ```
public enum LedgerPieces {
    /// The folder of the pieces, in that of a site.
    public static let folder = "tail"

    /// Whether a folder has pieces, so that its ledger is read after ``assemble(_:site:into:)``.
    public static func areIn(_ path: String, site: String) -> Bool {
        access("\(path)/ledger/\(site)/\(folder)", F_OK) == 0
    }

    /// Copies a ledger that is in pieces to another folder, as a volume has it. Pieces of segments
    /// that are whole are passed over. The chain of hashes is not followed: read the copy strictly.
    ///
    /// - Parameters:
    ///   - path: The folder with `ledger`.
    ///   - target: A folder that is there; its `ledger/<site>` is made anew.
    /// - Throws: `notFound` when the site has no ledger, `corrupt` when a record is missing between
    ///   two pieces.
    public static func assemble(
        _ path: String, site: String, into target: String
    ) throws(StorageError) {
        let root = try Directory.open(path: path)
        let from = try root.openDirectory(Volume.Name.ledger).openDirectory(site)
        let into = try Directory.open(path: target)
            .openOrMakeDirectory(Volume.Name.ledger).openOrMakeDirectory(site)
        let source = LedgerFolder(try from.openDirectory("."), site: site)
        let copy = LedgerFolder(try into.openDirectory("."), site: site)
        try copy.clear()
        let sizes = try source.list().sizes
        for (segment, bytes) in sizes.sorted(by: { $0.key < $1.key }) {
            _ = try SegmentCopy(segment: segment, from: source, to: copy, range: 0..<bytes).run()
        }
        let last = sizes.keys.max() ?? 0
        let number = last == 0 ? 0 : try copy.position(after: last, sizes[last] ?? 0).number
        guard try from.facts(folder)?.isDirectory == true else { return }
        try append(
            from.openDirectory(folder), after: number,
            to: copy.openForWriting(last + 1, size: 0), path: copy.path(last + 1))
    }

    private static func append(
        _ pieces: borrowing Directory, after number: Int64, to file: borrowing Descriptor,
        path target: String
    ) throws(StorageError) {
        var (number, offset) = (number, Int64(0))
        for piece in try list(pieces) where piece.last > number {
            guard piece.first <= number + 1 else {
                throw StorageError(
                    .corrupt, "the records \(number + 1) to \(piece.first - 1) are missing",
                    path: pieces.path,
                    remedy: "Fetch the folder again, or restore from another copy")
            }
            let path = pieces.path(of: piece.name)
            let source = try pieces.openFile(piece.name)
            let whole = try source.bytes(
                at: 0, count: Int(source.facts(path: path).bytes), path: path)
            // Records that an earlier piece had as well.
            var rest = whole[...]
            for _ in 0..<(number + 1 - piece.first) {
                guard let newline = rest.firstIndex(of: UInt8(ascii: "\n")) else { break }
                rest = rest[(newline + 1)...]
            }
            try file.write(Array(rest), at: offset, path: target)
            offset += Int64(rest.count)
            number = piece.last
        }
        try file.syncAll(path: target)
    }

    /// Sorted by their first records; of two with the same first record, the longer one comes
    /// first.
    private static func list(
        _ folder: borrowing Directory
    ) throws(StorageError) -> [(first: Int64, last: Int64, name: String)] {
        var pieces: [(first: Int64, last: Int64, name: String)] = []
        for text in try folder.entries() where text.hasSuffix(".jsonl") {
            let numbers = text.dropLast(".jsonl".count).split(separator: "-").map { Int64($0) }
            guard numbers.count == 2, let first = numbers[0], let last = numbers[1], first > 0,
                last >= first
            else { continue }
            pieces.append((first, last, text))
        }
        return pieces.sorted { ($0.first, $1.last) < ($1.first, $0.last) }
    }
}
