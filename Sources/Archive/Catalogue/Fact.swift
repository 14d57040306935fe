import Glibc
import JSON
import Storage
import TagIndex

/// What is wrong with a copy.
public enum CopyProblem: String, Codable, Sendable {
    /// It is not there.
    case missing
    /// It has another size.
    case truncated
    /// It has another content.
    case altered
    /// The disk does not give it.
    case unreadable

    /// What an error says of the copy that was read; `nil` when it tells of this process or the
    /// system only (open(2): EMFILE, ENFILE, ENOMEM). Such a copy may be the best there is.
    init?(reading error: StorageError) {
        if error.isOfThisProcess { return nil }
        self = error.code == .notFound ? .missing : .unreadable
    }

    /// Whether the bytes were read and are others than they should be.
    var isSeenInBytes: Bool { self == .truncated || self == .altered }
}

/// Something about volumes and copies that the ledger is to tell.
///
/// ```
/// volume   op, volume [, id, domain, created | successor]  add, retire, retired, replace, failing, well
/// damage   sha256, volume, problem            a copy is not good
/// copies   volume, sha256 […]                 good copies were made
/// scrub    volume, folder, files, bytes, bad  the blobs of a folder were read
/// ```
enum Fact: Sendable {
    case addVolume(VolumeIdentity)
    /// Its images are to be copied to the others.
    case retire(Int)
    /// It is no part of the archive any more.
    case retired(Int)
    /// It is lost, and another has its place.
    case replace(Int, by: Int)
    /// Many of its copies were bad.
    case failing(Int)
    /// It was read whole, and all its copies are good.
    case well(Int)
    case damage(Digest, on: Int, CopyProblem)
    case copies([Digest], on: Int)
    case scrub(on: Int, folder: UInt8, files: Int64, bytes: Int64, bad: Int64)

    var kind: String {
        switch self {
        case .addVolume, .retire, .retired, .replace, .failing, .well: "volume"
        case .damage: "damage"
        case .copies: "copies"
        case .scrub: "scrub"
        }
    }

    var body: JSONObject {
        switch self {
        case .addVolume(let identity):
            JSONObject([
                .init("op", .string("add")), .init("volume", .int(Int64(identity.ordinal))),
                .init("id", .string(identity.volume)), .init("domain", .string(identity.domain)),
                .init("created", .string(identity.created)),
            ])
        case .retire(let ordinal): Self.volume("retire", ordinal)
        case .retired(let ordinal): Self.volume("retired", ordinal)
        case .failing(let ordinal): Self.volume("failing", ordinal)
        case .well(let ordinal): Self.volume("well", ordinal)
        case .replace(let ordinal, let successor):
            JSONObject([
                .init("op", .string("replace")), .init("volume", .int(Int64(ordinal))),
                .init("successor", .int(Int64(successor))),
            ])
        case .damage(let digest, let ordinal, let problem):
            JSONObject([
                .init("sha256", .string(digest.hex)), .init("volume", .int(Int64(ordinal))),
                .init("problem", .string(problem.rawValue)),
            ])
        case .copies(let digests, let ordinal):
            JSONObject([
                .init("volume", .int(Int64(ordinal))),
                .init("sha256", .array(digests.map { .string($0.hex) })),
            ])
        case .scrub(let ordinal, let folder, let files, let bytes, let bad):
            JSONObject([
                .init("volume", .int(Int64(ordinal))),
                .init("folder", .string((folder < 16 ? "0" : "") + String(folder, radix: 16))),
                .init("files", .int(files)), .init("bytes", .int(bytes)), .init("bad", .int(bad)),
            ])
        }
    }

    private static func volume(_ operation: String, _ ordinal: Int) -> JSONObject {
        JSONObject([.init("op", .string(operation)), .init("volume", .int(Int64(ordinal)))])
    }
}

extension Catalogue {
    /// From how many errors on a volume is marked as failing.
    static let failingAfter: Int64 = 10
    /// How many digests one record of copies has: it stays far below the limit of a batch.
    static let copiesInRecord = 1000

    /// Appends facts to the ledger, and takes them into the index.
    ///
    /// - throws: ``ArchiveError`` when the ledger cannot be written on enough volumes
    func record(_ facts: [Fact]) throws {
        guard !facts.isEmpty else { return }
        _ = try appending { writer, entries in
            let retired = try writer.retired()
            for fact in facts {
                if case .copies(_, let ordinal) = fact, retired.contains(ordinal) { continue }
                let entry = entry(kind: fact.kind, fact.body)
                try apply(entry, with: writer)
                entries.append(entry)
            }
            for volume in try writer.reader.volumes()
            where volume.state == .active && volume.errors >= Self.failingAfter {
                let entry = entry(kind: "volume", Fact.failing(volume.ordinal).body)
                try apply(entry, with: writer)
                entries.append(entry)
            }
        }
    }
}

extension Catalogue {
    /// Records that a volume is empty and no part of the archive any more.
    ///
    /// - parameter last: up to this `instance.id` everything on it was copied
    /// - returns: false when images have come onto it since, from ingests that had begun before
    ///   it was to be emptied; nothing is recorded then
    func recordRetired(_ ordinal: Int, copiedTo last: Int64) throws -> Bool {
        try appending { writer, entries in
            guard try writer.reader.instances(on: ordinal, after: last, limit: 1).isEmpty else {
                return false
            }
            let entry = entry(kind: "volume", Fact.retired(ordinal).body)
            try apply(entry, with: writer)
            entries.append(entry)
            return true
        }.result
    }
}

extension IndexWriter {
    /// The numbers of volumes that hold nothing for the archive any more, whatever is stored on
    /// them in this moment.
    func retired() throws -> Set<Int> {
        Set(try reader.volumes().filter { $0.state == .retired }.map(\.ordinal))
    }
}

extension LedgerReplay {
    /// Takes a record about volumes or copies into the index; false when it is none, or lacks
    /// something.
    func applyFact(_ entry: LedgerEntry, with writer: IndexWriter) throws -> Bool {
        let body = entry.body
        let time = entry.time.nanoseconds
        guard let volume = body["volume"]?.int.map(Int.init) else { return false }
        func instance(_ hex: String?) throws -> Int64? {
            guard let digest = hex.flatMap({ Digest(hex: $0) }) else { return nil }
            return try writer.reader.instance(sha256: digest.bytes)
        }
        switch entry.kind {
        case "volume":
            switch body["op"]?.string {
            case "add":
                guard let id = body["id"]?.string, let domain = body["domain"]?.string else {
                    return false
                }
                try writer.apply(VolumeRecord(ordinal: volume, id: id, domain: domain))
            case "retire": try writer.setState(.retiring, ofVolume: volume)
            case "retired", "replace": try writer.setState(.retired, ofVolume: volume)
            case "failing": try writer.setState(.failing, ofVolume: volume)
            case "well": try writer.setState(.active, ofVolume: volume)
            default: return false
            }
        case "damage":
            // What the ledger does not know as an image is no loss.
            guard let id = try instance(body["sha256"]?.string) else { return true }
            try writer.noteDamage(of: id, on: volume)
        case "copies":
            guard let digests = body["sha256"]?.array else { return false }
            for hex in digests {
                guard let id = try instance(hex.string) else { continue }
                try writer.noteCopy(of: id, on: volume, verified: time)
            }
        case "scrub":
            guard let folder = body["folder"]?.string.flatMap({ UInt8($0, radix: 16) }) else {
                return false
            }
            try writer.noteScrub(of: folder, on: volume, errors: body["bad"]?.int ?? 0, at: time)
        default: return false
        }
        return true
    }
}
