/// What the last drill of a source found.
public struct DrillRecord: Equatable, Sendable {
    /// `volume 2`, `remote b2`.
    public var source: String
    /// When it ended, ns since 1970.
    public var time: Int64
    /// Images that were restored.
    public var restored: Int64
    /// How many things did not fit.
    public var faults: Int64

    public init(source: String, time: Int64, restored: Int64, faults: Int64) {
        (self.source, self.time) = (source, time)
        (self.restored, self.faults) = (restored, faults)
    }
}
