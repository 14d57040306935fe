import JSON
import Storage
import TagIndex

/// An event in the life of an archive, as one record of the ledger tells it. README, "Format 1",
/// describes each kind.
///
/// A kind is one case here, one line of ``bodies``, and one file next to this one, which says how
/// it is written and read. A new kind also has its place in `Catalogue.replay`, in the lists of
/// `IndexRebuild`, in README's "Format 1" and in the fixture `Tests/Fixtures/volume-v1`.
enum LedgerEvent: Sendable {
    case volume(VolumeEvent)
    case views(ViewsEvent)
    case paths(PathsRecord)
    case series(SeriesRecord)
    case ingest(IngestEvent)
    case duplicate(DuplicateEvent)
    case reject(RejectRecord)
    case damage(DamageEvent)
    case copies(CopiesEvent)
    case scrub(ScrubEvent)
    case search(SearchEvent)
    case remote(RemoteEvent)
    case offsite(OffsiteEvent)
    case offsiteCheck(OffsiteCheckEvent)
    case offsiteProof(OffsiteProofEvent)
    case wipeTest(WipeTestEvent)
    case drill(DrillEvent)

    /// Every kind, and how its records are read.
    private static let bodies:
        [String: @Sendable (RecordFields) throws(RecordError) -> LedgerEvent] = [
            VolumeEvent.kind: { fields throws(RecordError) in .volume(try .init(fields)) },
            ViewsEvent.kind: { fields throws(RecordError) in .views(try .init(fields)) },
            PathsRecord.kind: { fields throws(RecordError) in .paths(try .init(fields)) },
            SeriesRecord.kind: { fields throws(RecordError) in .series(try .init(fields)) },
            IngestEvent.kind: { fields throws(RecordError) in .ingest(try .init(fields)) },
            DuplicateEvent.kind: { fields throws(RecordError) in .duplicate(try .init(fields)) },
            RejectRecord.kind: { fields throws(RecordError) in .reject(try .init(fields)) },
            DamageEvent.kind: { fields throws(RecordError) in .damage(try .init(fields)) },
            CopiesEvent.kind: { fields throws(RecordError) in .copies(try .init(fields)) },
            ScrubEvent.kind: { fields throws(RecordError) in .scrub(try .init(fields)) },
            SearchEvent.kind: { fields throws(RecordError) in .search(try .init(fields)) },
            RemoteEvent.kind: { fields throws(RecordError) in .remote(try .init(fields)) },
            OffsiteEvent.kind: { fields throws(RecordError) in .offsite(try .init(fields)) },
            OffsiteCheckEvent.kind: { fields throws(RecordError) in
                .offsiteCheck(try .init(fields))
            },
            OffsiteProofEvent.kind: { fields throws(RecordError) in
                .offsiteProof(try .init(fields))
            },
            WipeTestEvent.kind: { fields throws(RecordError) in .wipeTest(try .init(fields)) },
            DrillEvent.kind: { fields throws(RecordError) in .drill(try .init(fields)) },
        ]

    /// Every kind that this program knows.
    static var kinds: Set<String> { Set(bodies.keys) }

    private var body: any RecordBody {
        switch self {
        case .volume(let body): body
        case .views(let body): body
        case .paths(let body): body
        case .series(let body): body
        case .ingest(let body): body
        case .duplicate(let body): body
        case .reject(let body): body
        case .damage(let body): body
        case .copies(let body): body
        case .scrub(let body): body
        case .search(let body): body
        case .remote(let body): body
        case .offsite(let body): body
        case .offsiteCheck(let body): body
        case .offsiteProof(let body): body
        case .wipeTest(let body): body
        case .drill(let body): body
        }
    }

    /// The record that is appended to the ledger.
    ///
    /// - Parameters:
    ///   - actor: Who did it: a person or a program.
    ///   - time: When it happened.
    func entry(by actor: String, at time: Timestamp) -> LedgerEntry {
        let body = body
        return LedgerEntry(kind: type(of: body).kind, by: actor, time: time, body: body.fields)
    }

    /// Reads a record.
    ///
    /// - Throws: ``RecordError`` for a kind or a value that this program does not know.
    init(_ entry: LedgerEntry) throws(RecordError) {
        guard let read = Self.bodies[entry.kind] else {
            throw .unknown("is of the kind \"\(entry.kind)\"")
        }
        self = try read(RecordFields(entry.body, time: entry.time))
    }

    /// Reads a record whose event is to be acted on.
    ///
    /// - Throws: ``ArchiveError``: `newerFormat` for a kind or a value that this program does not
    ///   know, `index` for a record that lacks something.
    init(_ record: LedgerRecord) throws(ArchiveError) {
        do {
            try self.init(record.entry)
        } catch {
            throw ArchiveError(error, in: record)
        }
    }
}

// Events of volumes and copies in the words of those who record them.
extension LedgerEvent {
    static func addVolume(_ identity: VolumeIdentity) -> LedgerEvent { .volume(.add(identity)) }
    static func retire(_ ordinal: Int) -> LedgerEvent { .volume(.retire(ordinal)) }
    static func retired(_ ordinal: Int) -> LedgerEvent { .volume(.retired(ordinal)) }
    static func failing(_ ordinal: Int) -> LedgerEvent { .volume(.failing(ordinal)) }
    static func well(_ ordinal: Int) -> LedgerEvent { .volume(.well(ordinal)) }

    static func replace(_ ordinal: Int, by successor: Int) -> LedgerEvent {
        .volume(.replace(ordinal, by: successor))
    }

    static func damage(
        _ digest: Digest, on ordinal: Int, _ problem: CopyProblem
    ) -> LedgerEvent {
        .damage(DamageEvent(digest, on: ordinal, problem))
    }

    static func copies(_ digests: [Digest], on ordinal: Int) -> LedgerEvent {
        .copies(CopiesEvent(digests, on: ordinal))
    }

    static func scrub(
        on ordinal: Int, folder: UInt8, files: Int64, bytes: Int64, bad: Int64
    ) -> LedgerEvent {
        .scrub(ScrubEvent(on: ordinal, folder: folder, files: files, bytes: bytes, bad: bad))
    }
}

/// How one kind of record is written and read.
protocol RecordBody: Sendable {
    /// The word in the record's `kind`.
    static var kind: String { get }

    /// Everything after `kind`, in the order in which it is written.
    var fields: JSONObject { get }

    /// Reads ``fields``. Keys that this program does not know are passed over: a newer pacsfs adds
    /// one only where an older one loses nothing by it.
    ///
    /// - Throws: ``RecordError`` when a field is missing, or has a value that is not allowed.
    init(_ fields: RecordFields) throws(RecordError)
}

/// Why a record that is whole cannot be understood.
enum RecordError: Error, Equatable {
    /// A newer pacsfs wrote it: it "is of the kind x", "has the op y".
    case unknown(String)
    /// This field is missing, or has a value that is not allowed.
    case field(String)

    var isNewer: Bool { if case .unknown = self { true } else { false } }

    /// One sentence about the record.
    var reason: String {
        switch self {
        case .unknown(let fact):
            """
            The record \(fact), which this pacsfs does not know: a newer pacsfs wrote it. Update \
            pacsfs.
            """
        case .field(let key):
            "The record lacks \"\(key)\", or has a value there that is not allowed."
        }
    }
}

extension ArchiveError {
    init(_ error: RecordError, in record: LedgerRecord) {
        let place = "Record \(record.number) of the ledger, of \(record.entry.time),"
        switch error {
        case .unknown(let fact):
            self.init(
                .newerFormat,
                """
                \(place) \(fact), which this pacsfs does not know: it was written by a newer \
                pacsfs
                """,
                remedy: "Update pacsfs; nothing was changed.")
        case .field(let key):
            self.init(
                .index,
                """
                \(place) is a \"\(record.entry.kind)\" record and lacks \"\(key)\", or has a \
                value there that is not allowed
                """,
                remedy: "Look at the whole ledger: pacsfs verify")
        }
    }
}
