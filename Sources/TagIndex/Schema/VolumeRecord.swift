/// The state of a volume by decision of the archive, whether the volume is present or not.
public enum VolumeState: String, Codable, Sendable {
    /// It gets new images.
    case active
    /// Many of its copies were bad. It gets new images only if no other volume can.
    case failing
    /// It is being emptied: its images are copied to other volumes.
    case retiring
    /// It no longer belongs to the archive: it was emptied or replaced.
    case retired
}

/// A volume as the ledger records it.
public struct VolumeRecord: Equatable, Sendable {
    /// Its ordinal in the archive, from 1; never given twice.
    public var ordinal: Int
    /// Its UUID.
    public var id: String
    /// Its failure domain.
    public var domain: String
    /// Its state.
    public var state: VolumeState
    /// Bad copies found since its last complete scrub without any.
    public var errors: Int64

    /// A record with these values.
    public init(
        ordinal: Int, id: String, domain: String, state: VolumeState = .active, errors: Int64 = 0
    ) {
        self.ordinal = ordinal
        self.id = id
        self.domain = domain
        self.state = state
        self.errors = errors
    }
}
