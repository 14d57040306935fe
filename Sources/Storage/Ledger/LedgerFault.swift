/// Where and why a ledger is not what it should be.
public struct LedgerFault: Hashable, Sendable, CustomStringConvertible {
    /// The segment, from 1.
    public var segment: Int
    /// The line in the segment, from 1; `nil` when reading began in the middle of it.
    public var line: Int?
    /// Where the line begins in the segment, in bytes.
    public var offset: Int64
    /// The number the record should have.
    public var expectedNumber: Int64
    /// The fault, without a full stop.
    public var reason: String

    public var description: String {
        let place = line.map { "line \($0)" } ?? "byte \(offset)"
        return "segment \(segment), \(place), record \(expectedNumber): \(reason)"
    }
}
