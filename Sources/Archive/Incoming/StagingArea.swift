import Storage
import System

/// The trees of one volume that `/incoming` and `/rejected` show.
public struct StagingArea: Sendable {
    let volume: Volume

    /// The calls on its disk; `nil` when nobody watches whether it answers.
    public var disk: DiskCalls? { volume.calls }

    /// Calls `body`, which uses the volume.
    ///
    /// - Throws: ``ArchiveError`` when its disk does not answer.
    public func onDisk<R: Sendable>(
        _ body: @escaping @Sendable () -> R
    ) throws(ArchiveError) -> R {
        do throws(StorageError) {
            return try volume.onDisk { () throws(StorageError) in body() }
        } catch {
            throw ArchiveError(error)
        }
    }

    /// Where `/incoming` lies; valid as long as somebody has this.
    public var incomingDescriptor: Int32 { volume.incomingDescriptor }

    /// Where `/rejected` lies; valid as long as somebody has this.
    public var rejectedDescriptor: Int32 { volume.rejected.descriptor }

    /// Whether both are of the same volume, opened once.
    public func isSame(as other: StagingArea) -> Bool { volume === other.volume }
}
