import Glibc
import System

/// A folder for people, outside of volumes, in which images are put under the paths of a view.
public final class PlainFolder: Sendable {
    private let root: Directory

    /// - Throws: What a system call says.
    public init(_ path: String) throws(StorageError) {
        root = try Directory.open(path: path)
    }

    /// Whether an image is there, with just these bytes.
    public func holds(_ digest: Digest, bytes: Int64, at path: [String]) -> Bool {
        do throws(StorageError) {
            let path = try RelativePath.components(path.joined(separator: "/"))
            let folder = try root.openFolder(path.dropLast())
            let name = path[path.count - 1]
            guard try folder.facts(name)?.bytes == bytes else { return false }
            return try folder.openFile(name).digest(bytes: bytes, path: name) == digest
        } catch {
            return false
        }
    }

    /// Copies an image, and compares its bytes on the way. The name appears when it is whole.
    ///
    /// - Parameters:
    ///   - source: An open descriptor.
    ///   - path: Its folders and its name; what is there already with the name is replaced.
    ///   - modified: Its time, in ns since 1970.
    /// - Throws: `corrupt` for other bytes; what a system call says.
    public func write(
        _ source: Int32, _ digest: Digest, bytes: Int64, at path: [String], modified: Int64
    ) throws(StorageError) {
        // They come from a ledger, which somebody may have made to write elsewhere.
        let path = try RelativePath.components(path.joined(separator: "/"))
        var folder = try root.openDirectory(".")
        for name in path.dropLast() {
            try folder.makeDirectory(name)
            folder = try folder.openDirectory(name)
        }
        let name = path[path.count - 1]
        let partial = ".\(digest.hex).part"
        let shown = folder.path(of: name)
        try folder.remove(partial)
        let file = try folder.openFile(partial, O_RDWR | O_CREAT | O_EXCL)
        do throws(StorageError) {
            let found = try FileCopy.copy(
                from: source, to: file, bytes: bytes, hashing: true, path: shown)
            guard found == digest else {
                throw StorageError(
                    .corrupt, "the bytes are not those of the image", path: shown,
                    remedy: "Restore it from another copy")
            }
            let time = timespec(
                tv_sec: Int(modified / 1_000_000_000), tv_nsec: Int(modified % 1_000_000_000))
            let times = [time, time]
            // Not all file systems keep times, and no byte depends on them.
            _ = futimens(file.number, times)
            try folder.rename(partial, to: folder, name)
        } catch {
            try? folder.remove(partial)
            throw error
        }
    }

    /// Makes everything durable.
    ///
    /// - Throws: The error of `syncfs(2)`.
    public func sync() throws(StorageError) { try root.syncFileSystem() }
}
