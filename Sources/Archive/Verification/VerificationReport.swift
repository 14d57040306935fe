import Foundation

/// The result of `pacsfs verify`, as it prints it as JSON.
public struct VerificationReport: Codable, Sendable {
    /// Something that does not fit, or that a person should look at.
    public struct Finding: Codable, Sendable {
        public enum Severity: String, Codable, Sendable, CaseIterable {
            /// A crash, an absence or a stranger's file explains it: not tampering.
            case attention
            /// Ledger, blobs and index do not fit together: damage, or tampering.
            case fault
            /// A newer pacsfs wrote it: whether it fits, this one cannot tell.
            case newer
        }

        public var severity: Severity
        /// The volume's folder; `nil` when it is about the archive.
        @Nullable public var volume: String?
        /// The file, absolute.
        @Nullable public var file: String?
        /// The line of a ledger segment, from 1.
        @Nullable public var line: Int?
        /// The number of the ledger record.
        @Nullable public var record: Int64?
        public var reason: String
    }

    public struct Volume: Codable, Sendable {
        public var path: String
        /// `nil` when its identity file cannot be read.
        @Nullable public var ordinal: Int?
        /// How many records of its ledger are good, from the first on.
        public var records: Int64
        /// SHA-256 of the last of them.
        public var head: String
        /// How many blobs are what their names say.
        public var goodBlobs: Int64
        /// The bytes of these blobs.
        public var goodBytes: Int64
    }

    @Nullable public var archive: String? = nil
    /// Whether the head that was noted before is in the chain; `nil` when none was given.
    @Nullable public var notedHeadFound: Bool? = nil
    /// The number of records in the longest ledger that fits.
    public var records: Int64 = 0
    /// SHA-256 of its last record.
    public var head: String = ""
    public var volumes: [Volume] = []
    /// In the order in which they were found: ledgers before blobs.
    public var findings: [Finding] = []
    /// How many findings there are of each severity, including those that are not listed.
    public private(set) var faults = 0
    public private(set) var attentions = 0
    public private(set) var newer = 0

    /// Further findings of each severity are only counted.
    static let limit = 10_000

    mutating func add(_ finding: Finding) {
        let listed: Bool
        switch finding.severity {
        case .fault:
            faults += 1
            listed = faults <= Self.limit
        case .attention:
            attentions += 1
            listed = attentions <= Self.limit
        case .newer:
            newer += 1
            listed = newer <= Self.limit
        }
        if listed { findings.append(finding) }
    }
}
