import Foundation

/// The progress of a scrub.
public struct ScrubProgress: Codable, Sendable {
    /// Copies that were read.
    public var files: Int64 = 0
    public var bytes: Int64 = 0
    /// Bytes to read in all, when it began.
    public var totalBytes: Int64 = 0
    /// Copies that were bad.
    public var bad: Int64 = 0
    public var healed: Int64 = 0
}

/// The outcome of a scrub.
public struct ScrubReport: Codable, Sendable {
    public struct Volume: Codable, Sendable {
        /// Its ordinal in the archive.
        public var ordinal: Int
        public var path: String
        /// Copies that were read, good or bad.
        public var files: Int64 = 0
        public var bytes: Int64 = 0
        /// Copies that were missing, truncated, altered or unreadable.
        public var bad: Int64 = 0
        /// How many of them are good again.
        public var healed: Int64 = 0
        /// Good copies without a record, which they have now.
        public var adopted: Int64 = 0
        /// Whether all of it was read; the next scrub goes on where this one stopped.
        public var complete = false
        /// Why not.
        @Nullable public var problem: String? = nil
    }

    /// A file that does not belong there.
    public struct Stray: Codable, Sendable {
        /// Absolute.
        public var file: String
        public var reason: String
    }

    public var volumes: [Volume] = []
    /// SHA-256 of images that have a bad copy which could not be healed.
    public var unhealed: [String] = []
    /// Those of them without any good copy.
    public var lost: [String] = []
    /// Files below `blobs` that are not images of the archive.
    public var strays: [Stray] = []
    /// The number of these files, including those that are not listed.
    public var strayCount = 0

    static let limit = 10_000

    mutating func add(_ stray: Stray) {
        strayCount += 1
        if strays.count < Self.limit { strays.append(stray) }
    }

    public var bad: Int64 { volumes.reduce(0) { $0 + $1.bad } }
    public var healed: Int64 { volumes.reduce(0) { $0 + $1.healed } }
    public var isComplete: Bool { volumes.allSatisfy(\.complete) }
}
