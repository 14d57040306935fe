import System

/// The folder `staging/waiting/<ordinal>` of a volume: copies of what waits in `staging/incoming`
/// of another one, with the same paths. Its files belong to the layer above.
public final class WaitingFolder: Sendable {
    private let directory: Directory

    /// Valid as long as this object lives.
    public var descriptor: Int32 { directory.number }

    fileprivate init(_ directory: consuming Directory) { self.directory = directory }
}

extension Volume {
    private static let waiting = "waiting"

    /// Opens the folder for copies of what waits in incoming of another volume.
    ///
    /// - Parameters:
    ///   - ordinal: Of that volume.
    ///   - making: Whether it is made when it is not there.
    /// - Returns: `nil` when it is not there.
    /// - Throws: `io`, `readOnly` and the like.
    public func waitingFolder(of ordinal: Int, making: Bool) throws(StorageError) -> WaitingFolder?
    {
        let staging = try root.openDirectory(Name.staging)
        if making {
            let waiting = try staging.openOrMakeDirectory(Self.waiting, mode: Self.closedMode)
            return WaitingFolder(try waiting.openOrMakeDirectory(String(ordinal)))
        }
        do throws(StorageError) {
            let waiting = try staging.openDirectory(Self.waiting)
            return WaitingFolder(try waiting.openDirectory(String(ordinal)))
        } catch {
            if error.code == .notFound { return nil }
            throw error
        }
    }

    /// The ordinals of the volumes of which there are such folders here.
    ///
    /// - Throws: `io`.
    public func waitingOrdinals() throws(StorageError) -> [Int] {
        let staging = try root.openDirectory(Name.staging)
        guard try staging.facts(Self.waiting)?.isDirectory == true else { return [] }
        return try staging.openDirectory(Self.waiting).entries().compactMap { Int($0) }.sorted()
    }

    /// Removes such a folder when it is empty.
    public func removeWaitingFolder(of ordinal: Int) {
        guard let staging = try? root.openDirectory(Name.staging),
            let waiting = try? staging.openDirectory(Self.waiting)
        else { return }
        waiting.removeEmptyDirectory(String(ordinal))
    }
}
