import DICOM
import Naming

/// How far the ledger has been taken into the index.
public struct IndexedPosition: Codable, Equatable, Sendable {
    /// Number of the ledger segment, from 1.
    public var segment: Int
    /// Bytes of that segment that have been taken in.
    public var offset: UInt64
    /// Number of the last record taken in; 0 before the first.
    public var number: UInt64
    /// SHA-256 of that record's line, in hexadecimal.
    public var head: String

    public init(segment: Int, offset: UInt64, number: UInt64, head: String) {
        self.segment = segment
        self.offset = offset
        self.number = number
        self.head = head
    }
}

/// A series as the ledger records it: what its images share, and where it is shown.
public struct SeriesRecord: Equatable, Sendable {
    /// `series.id`.
    public var id: Int64
    /// When its first image was archived, ns since 1970.
    public var created: Int64
    /// The attributes of its first image.
    public var attributes: AttributeSet
    /// Its directory in every view, the view's name first.
    public var paths: [[String]]

    public init(id: Int64, created: Int64, attributes: AttributeSet, paths: [[String]]) {
        self.id = id
        self.created = created
        self.attributes = attributes
        self.paths = paths
    }
}

/// Where series are shown in a view that was added when they were there already.
public struct PathsRecord: Sendable {
    public var view: View
    /// Up to this `series.id` all are in the view now, or are left out by it.
    public var through: Int64
    /// When it was recorded, ns since 1970.
    public var time: Int64
    /// `series.id`, and its directories below the view's.
    public var paths: [(series: Int64, path: [String])] = []

    public init(
        view: View, through: Int64, time: Int64, paths: [(series: Int64, path: [String])] = []
    ) {
        self.view = view
        self.through = through
        self.time = time
        self.paths = paths
    }
}

/// An archived image as the ledger records it.
public struct InstanceRecord: Equatable, Sendable {
    /// `instance.id`.
    public var id: Int64
    public var series: Int64
    /// 32 bytes.
    public var sha256: [UInt8]
    /// Size in bytes.
    public var bytes: Int64
    /// When it was archived, ns since 1970.
    public var received: Int64
    public var name: String
    public var uidName: String
    public var flags: Int64
    /// Where it came from.
    public var source: String
    /// Ordinals of the volumes that hold it.
    public var volumes: [Int]
    /// What differs from the attributes of the series.
    public var difference: AttributeSet
    /// The digest (32 bytes) of an earlier image with the same data set and another file header.
    public var same: [UInt8]?

    public init(
        id: Int64, series: Int64, sha256: [UInt8], bytes: Int64, received: Int64, name: String,
        uidName: String, flags: Int64, source: String, volumes: [Int], difference: AttributeSet,
        same: [UInt8]? = nil
    ) {
        self.id = id
        self.series = series
        self.sha256 = sha256
        self.bytes = bytes
        self.received = received
        self.name = name
        self.uidName = uidName
        self.flags = flags
        self.source = source
        self.volumes = volumes
        self.difference = difference
        self.same = same
    }
}

/// A file that was set aside.
public struct RejectRecord: Equatable, Sendable {
    /// 32 bytes.
    public var sha256: [UInt8]
    public var bytes: Int64
    /// Where it lies below `/rejected`.
    public var path: String
    /// Where it came from.
    public var source: String
    public var reason: String
    /// ns since 1970.
    public var time: Int64

    public init(
        sha256: [UInt8], bytes: Int64, path: String, source: String, reason: String, time: Int64
    ) {
        self.sha256 = sha256
        self.bytes = bytes
        self.path = path
        self.source = source
        self.reason = reason
        self.time = time
    }
}
