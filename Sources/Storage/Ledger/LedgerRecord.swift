import JSON

/// An event that is to become a line of the ledger.
public struct LedgerEntry: Hashable, Sendable {
    /// When it happened.
    public var time: Timestamp
    /// Who did it: a person or a program.
    public var by: String
    /// The kind of event: `ingest`, `duplicate`, `reject`, …
    public var kind: String
    /// Everything else, in the order in which it is written. The keys `n`, `prev`, `t`, `by`
    /// and `kind` are taken.
    public var body: JSONObject

    public init(kind: String, by: String, time: Timestamp = .now(), body: JSONObject) {
        self.kind = kind
        self.by = by
        self.time = time
        self.body = body
    }
}

/// A place in a ledger: after its record number `n`, where the next one begins.
public struct LedgerPosition: Hashable, Sendable {
    /// The segment, from 1.
    public var segment: Int
    /// The offset after the record in its segment, in bytes.
    public var offset: Int64
    /// The record's number, from 1; 0 before the first.
    public var number: Int64
    /// The SHA-256 of the record's line without its newline; zero before the first.
    public var head: Digest

    public init(segment: Int, offset: Int64, number: Int64, head: Digest) {
        self.segment = segment
        self.offset = offset
        self.number = number
        self.head = head
    }

    /// Before the first record.
    public static let start = LedgerPosition(segment: 1, offset: 0, number: 0, head: .zero)
}

/// A record that was read from the ledger.
public struct LedgerRecord: Hashable, Sendable {
    /// Its number, from 1, without gaps.
    public var number: Int64
    /// The SHA-256 of the line before, without its newline.
    public var previous: Digest
    /// The event.
    public var entry: LedgerEntry
    /// Where the ledger goes on after it; its `head` is the SHA-256 of this record's line.
    public var end: LedgerPosition
}

/// One line of a segment:
///
/// ```
/// {"n":12,"prev":"<64 digits>","t":"2026-11-22T02:05:52.123456789Z","by":"…","kind":"…",…}
/// ```
///
/// UTF-8, no space, the first five keys in this order, ended by a newline. `prev` is the SHA-256
/// of the line before without its newline; 64 zeros in the first record.
struct LedgerLine {
    /// The keys that every line has.
    static let keys: Set = ["n", "prev", "t", "by", "kind"]

    var number: Int64
    var previous: Digest
    var entry: LedgerEntry

    /// Appends the line with its newline.
    static func write(
        _ entry: LedgerEntry, number: Int64, previous: Digest, to writer: inout JSONWriter
    ) {
        writer.raw("{\"n\":")
        writer.write(number)
        writer.raw(",\"prev\":")
        writer.write(previous)
        writer.raw(",\"t\":")
        writer.write(entry.time)
        writer.raw(",\"by\":")
        writer.write(entry.by)
        writer.raw(",\"kind\":")
        writer.write(entry.kind)
        if !entry.body.members.isEmpty {
            writer.raw(",")
            writer.writeMembers(of: entry.body)
        }
        writer.raw("}\n")
    }

    /// Reads a line without its newline.
    init(_ line: UnsafeRawBufferPointer) throws(JSONError) {
        var parser = JSONParser(line)
        func fault(_ reason: String) -> JSONError {
            JSONError(offset: parser.offset, reason: reason)
        }
        try parser.expect("{\"n\":")
        number = try parser.int()
        try parser.expect(",\"prev\":\"")
        guard let digits = parser.raw(64), let previous = Digest(hexDigits: digits) else {
            throw fault("\"prev\" is not 64 hexadecimal digits")
        }
        self.previous = previous
        try parser.expect("\",\"t\":\"")
        guard let text = parser.raw(Timestamp.textBytes), let time = Timestamp(text: text) else {
            throw fault("\"t\" is not a time")
        }
        try parser.expect("\",\"by\":")
        let by = try parser.string()
        try parser.expect(",\"kind\":")
        let kind = try parser.string()
        var body = JSONObject()
        if parser.take(",") {
            body = try parser.members()
        } else {
            try parser.expect("}")
        }
        guard parser.offset == line.count else { throw fault("something follows the record") }
        entry = LedgerEntry(kind: kind, by: by, time: time, body: body)
    }
}
