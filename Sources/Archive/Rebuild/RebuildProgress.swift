/// How far a rebuild is.
public struct RebuildProgress: Sendable, Equatable {
    public enum Step: String, Sendable {
        /// Records are read from the ledger.
        case ledger
        /// Rows are sorted, and events of copies and volumes are applied.
        case indexes
        /// Blobs are read, when there is no ledger.
        case blobs
    }

    public var step: Step
    /// Records of the ledger, or blobs, so far.
    public var records: Int64
    /// Bytes that were read, and all bytes of this step; 0 when that is not known.
    public var bytes: Int64
    public var totalBytes: Int64

    public init(step: Step, records: Int64, bytes: Int64, totalBytes: Int64) {
        self.step = step
        self.records = records
        self.bytes = bytes
        self.totalBytes = totalBytes
    }
}
