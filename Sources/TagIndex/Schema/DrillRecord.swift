/// What the last drill of a source found.
public struct DrillRecord: Equatable, Sendable {
    /// `volume 2`, `remote b2`.
    public var source: String
    /// When it ended, ns since 1970.
    public var time: Int64
    /// Images that should be there.
    public var images: Int64
    /// Of these, those in a listing, and those with the hash that the server said.
    public var listed: Int64
    public var seen: Int64
    /// Images that were restored, and of these, those whose pixels were decoded.
    public var restored: Int64
    public var decoded: Int64
    /// How many things did not fit.
    public var faults: Int64
    /// SHA-256 of the report.
    public var report: [UInt8]

    public init(
        source: String, time: Int64, images: Int64, listed: Int64, seen: Int64, restored: Int64,
        decoded: Int64, faults: Int64, report: [UInt8]
    ) {
        (self.source, self.time) = (source, time)
        (self.images, self.listed, self.seen) = (images, listed, seen)
        (self.restored, self.decoded, self.faults) = (restored, decoded, faults)
        self.report = report
    }
}
