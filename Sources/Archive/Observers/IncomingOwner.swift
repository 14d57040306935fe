/// Works in the directory of `/incoming`: the archive asks it before it moves files there.
public protocol IncomingOwner: AnyObject, Sendable {
    /// `/incoming` is on another volume from now on, although the earlier one is still there.
    /// When this returns, nothing new is made on that one.
    func movedStaging()

    /// Whether a file of `/incoming`, as it is or was on a volume, is being written or archived.
    ///
    /// - Parameters:
    ///   - inode: Its number in the file system of the volume.
    ///   - staging: Where it is.
    func isInUse(incoming inode: UInt64, on staging: StagingArea) -> Bool

    /// The files of `/incoming`, as it is or was on a volume, that do not wait: they are being
    /// written, or are archived and only seen there for a while. By their numbers in the file
    /// system of the volume.
    func inodesNotWaiting(on staging: StagingArea) -> Set<UInt64>

    /// The files of `/incoming`, as it is or was on a volume, that the archive has or will be given
    /// without anybody's doing. By their numbers in the file system of the volume; `nil` as long as
    /// not all that lies there is known.
    func inodesToBeArchived(on staging: StagingArea) -> Set<UInt64>?

    /// A file that waited on another volume is in `/incoming` under this path now.
    func tookOver(incoming path: [UInt8])
}
