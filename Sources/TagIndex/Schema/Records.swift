import DICOM
import Naming

/// How far the ledger is in the index.
public struct IndexedPosition: Codable, Equatable, Sendable {
    /// Number of the segment of the ledger, from 1.
    public var segment: Int
    /// Bytes of that segment that are in the index.
    public var offset: UInt64
    /// Number of the last record in the index; 0 before the first.
    public var number: UInt64
    /// SHA-256 of that record's line, in hexadecimal.
    public var head: String

    /// A record with these values.
    public init(segment: Int, offset: UInt64, number: UInt64, head: String) {
        self.segment = segment
        self.offset = offset
        self.number = number
        self.head = head
    }
}

/// A series as the ledger records it: the attributes that its images share, and its paths.
public struct SeriesRecord: Equatable, Sendable {
    /// `series.id`.
    public var id: Int64
    /// When its first image was archived, ns since 1970.
    public var created: Int64
    /// The attributes of its first image.
    public var attributes: AttributeSet
    /// Its directory in every view, the view's name first.
    public var paths: [[String]]

    /// A record with these values.
    public init(id: Int64, created: Int64, attributes: AttributeSet, paths: [[String]]) {
        self.id = id
        self.created = created
        self.attributes = attributes
        self.paths = paths
    }
}

/// The paths of series in a view that was added after them.
public struct PathsRecord: Sendable {
    /// The view.
    public var view: View
    /// Up to this `series.id`, all series are in the view, or are left out by it.
    public var through: Int64
    /// When it was recorded, ns since 1970.
    public var time: Int64
    /// `series.id`, and its directories below the view's.
    public var paths: [(series: Int64, path: [String])] = []

    /// A record with these values.
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
    /// `series.id`.
    public var series: Int64
    /// The digest, 32 bytes.
    public var sha256: [UInt8]
    /// Size in bytes.
    public var bytes: Int64
    /// When it was archived, ns since 1970.
    public var received: Int64
    /// Its file name in most views.
    public var name: String
    /// Its file name in views by UID.
    public var uidName: String
    /// `HeaderFlags.rawValue`.
    public var flags: Int64
    /// Where it came from.
    public var source: String
    /// Ordinals of the volumes that hold it.
    public var volumes: [Int]
    /// The attributes that differ from those of the series.
    public var difference: AttributeSet
    /// The digest (32 bytes) of an earlier image with the same data set and another file header;
    /// `nil` when there is none.
    public var same: [UInt8]?

    /// A record with these values.
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

/// A rejected file.
public struct RejectRecord: Equatable, Sendable {
    /// The digest, 32 bytes.
    public var sha256: [UInt8]
    /// Size in bytes.
    public var bytes: Int64
    /// Its path below `/rejected`.
    public var path: String
    /// Where it came from.
    public var source: String
    /// Why it was rejected, a sentence for people.
    public var reason: String
    /// When, ns since 1970.
    public var time: Int64

    /// A record with these values.
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

/// Where a rejected file lies.
public struct RejectedFile: Sendable {
    /// `rejected.id`.
    public var id: Int64
    /// What stands for its bytes, 32 bytes.
    public var sha256: [UInt8]
    /// Its size.
    public var bytes: Int64
    /// Its path below `/rejected`.
    public var path: String
}
