import Glibc
import System

/// The folders of a volume that others than the daemon can change: whoever may write to one can
/// move away what is in it, and put something else in its place.
public struct ExposedFolders: Sendable {
    /// Those that a group or everybody can write to.
    public private(set) var writable: [String] = []
    /// Those that belong to another user than root and the owner.
    public private(set) var foreign: [String] = []
    /// Where the volume is.
    let path: String
    /// The number of the user that should own it.
    let owner: UInt32

    /// Looks at the folder of a volume and at those of the layout that are there.
    ///
    /// - Throws: `io` when the disk does not answer.
    init(of root: borrowing Directory, owner: UInt32 = geteuid()) throws(StorageError) {
        (path, self.owner) = (root.path, owner)
        for name in ["."] + Volume.Name.layout.sorted() {
            guard let facts = try root.facts(name), facts.isDirectory else { continue }
            let path = name == "." ? root.path : root.path(of: name)
            if facts.mode & 0o022 != 0 { writable.append(path) }
            if facts.owner != owner, facts.owner != 0 { foreign.append(path) }
        }
        guard !writable.isEmpty || !foreign.isEmpty else { return }
        let device = try FileFacts.of(root.number, path: root.path).device
        guard let mount = MountedFileSystem.of(device: device) else { return }
        if !mount.hasModes { writable = [] }
        if !mount.hasOwners { foreign = [] }
    }

    /// What is wrong, and how it is mended; `nil` when nothing is.
    public var error: StorageError? {
        if let folder = foreign.first {
            return StorageError(
                .permissionDenied, "this folder belongs to another user, who can change the volume",
                path: folder,
                remedy: "Give it to the user that pacsfs runs as: chown -R \(owner) \(path)")
        }
        guard let folder = writable.first else { return nil }
        return StorageError(
            .permissionDenied, "other users can move away what is in this folder", path: folder,
            remedy: "Close it: chmod go-w \(writable.joined(separator: " "))")
    }

    /// - Throws: `permissionDenied` when others can change the volume.
    static func refuse(_ root: borrowing Directory) throws(StorageError) {
        if let error = try ExposedFolders(of: root).error { throw error }
    }
}

extension Volume {
    /// Why others can change the volume by now, although they could not when it was opened; `nil`
    /// when they cannot.
    ///
    /// - Throws: `io` when the disk does not answer.
    public func exposure() throws(StorageError) -> StorageError? {
        try onDisk { [self] () throws(StorageError) in try ExposedFolders(of: root).error }
    }
}

extension InspectedVolume {
    /// The folders that others than the archive's owner can change; `nil` when the disk does not
    /// say.
    ///
    /// - Parameter owner: The number of the user.
    public func exposedFolders(owner: UInt32) -> ExposedFolders? {
        try? ExposedFolders(of: root, owner: owner)
    }
}
