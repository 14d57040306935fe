import Foundation
import Storage
import System

/// Where a restore takes blobs and rejected files from. Any thread may use it at any time.
protocol RestoreSource: Sendable {
    /// For messages: `/mnt/usb`, or the name of a remote.
    var name: String { get }

    /// Makes blobs ready to be opened, as many of them as are there.
    ///
    /// - Throws: Why none can be had now.
    func fetch(_ blobs: [StagedBlob]) throws

    /// Opens a blob that was fetched. Its bytes are not proven.
    ///
    /// - Throws: Why it is not there.
    func open(_ blob: StagedBlob) throws -> Descriptor

    /// Lets go of what was fetched.
    func discard()

    /// The rejected files; `nil` when there are none.
    func rejectedFiles() throws -> RejectedFolder?
}

/// A volume, or a folder that was fetched from an off-site copy by hand.
struct FolderSource: RestoreSource {
    let folder: InspectedVolume

    var name: String { folder.path }

    init(_ path: String) throws(StorageError) { folder = try InspectedVolume(at: path) }

    func fetch(_ blobs: [StagedBlob]) {}

    func open(_ blob: StagedBlob) throws -> Descriptor { try folder.openBlob(blob.digest) }

    func discard() {}

    func rejectedFiles() throws -> RejectedFolder? { try folder.rejectedFiles() }

    private static let markerName = "pacsfs-archive.json"

    /// The id of the archive that a folder belongs to: by the identity file of a volume, or the
    /// marker of an off-site copy.
    ///
    /// - Throws: ``ArchiveError`` when it has neither.
    static func archive(of path: String) throws -> String {
        struct Marker: Decodable {
            var archive: String
        }
        let folder = try InspectedVolume(at: path)
        if let identity = try? folder.identity.get() { return identity.archive }
        let marker = "\(path)/\(markerName)"
        if access(marker, F_OK) == 0 {
            let content = Data(try RegularFile.content(of: marker))
            guard let found = try? JSONDecoder().decode(Marker.self, from: content) else {
                throw ArchiveError(
                    .configuration, "This is not the marker of an off-site copy", path: marker,
                    remedy: "Fetch it again.")
            }
            return found.archive
        }
        // What is wrong with the identity file of a volume says more than that there is no marker.
        if folder.hasLayout { _ = try folder.identity.get() }
        throw ArchiveError(
            .configuration,
            """
            \(path) is neither a volume nor a folder that was fetched from an off-site copy: it \
            has neither pacsfs-volume.json nor \(markerName).
            """, remedy: "Is its disk mounted? Name the folder that has blobs and ledger in it.")
    }
}
