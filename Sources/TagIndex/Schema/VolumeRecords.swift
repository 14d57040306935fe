/// What the archive has decided about a volume; whether it is there is another matter.
public enum VolumeState: String, Codable, Sendable {
    /// It takes new images.
    case active
    /// Many of its copies were bad: it takes new ones only where no other volume can.
    case failing
    /// It is being emptied: its images are copied to the others.
    case retiring
    /// It is no part of the archive any more: emptied, or replaced.
    case retired
}

/// A volume as the ledger tells it.
public struct VolumeRecord: Equatable, Sendable {
    /// Its number in the archive, from 1; never given twice.
    public var ordinal: Int
    /// Its UUID.
    public var id: String
    /// Its failure domain.
    public var domain: String
    public var state: VolumeState
    /// Bad copies that were found since it was last read whole without any.
    public var errors: Int64

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
