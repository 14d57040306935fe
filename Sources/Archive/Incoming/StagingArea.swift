import Storage

/// The trees of one volume that `/incoming` and `/rejected` show.
public struct StagingArea: Sendable {
    let volume: Volume

    /// Where `/incoming` lies; valid as long as somebody has this.
    public var incomingDescriptor: Int32 { volume.incomingDescriptor }

    /// Where `/rejected` lies; valid as long as somebody has this.
    public var rejectedDescriptor: Int32 { volume.rejected.descriptor }

    /// Whether both are of the same volume, opened once.
    public func isSame(as other: StagingArea) -> Bool { volume === other.volume }
}
