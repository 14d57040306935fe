import Offsite
import Storage
import System

/// Where a restore takes blobs and rejected files from.
protocol RestoreSource: Sendable {
    /// For messages: `/mnt/usb`, or the name of a remote.
    var name: String { get }

    /// Makes blobs ready to be opened, as many of them as are there. What was fetched before may
    /// be gone then.
    ///
    /// - Parameter shouldStop: Asked every second.
    /// - Throws: Why none can be had now.
    func fetch(_ blobs: [StagedBlob], shouldStop: @escaping () -> Bool) throws

    /// Makes older versions of blobs ready to be opened, where they are kept: of what was not to be
    /// had, or had other bytes. Somebody may have deleted or changed it.
    ///
    /// - Parameter number: Which version, the oldest being 0.
    /// - Returns: Whether there is any.
    /// - Throws: Why none can be had now.
    func fetch(
        version number: Int, of blobs: [StagedBlob], shouldStop: @escaping () -> Bool
    ) throws -> Bool

    /// Opens a blob that was fetched; from any thread. Its bytes are not proven.
    ///
    /// - Throws: Why it is not there.
    func open(_ blob: StagedBlob) throws -> Descriptor

    /// The rejected files, some of them at least; `nil` when there are none.
    ///
    /// - Throws: Why none can be had now.
    func rejectedFiles(_ wanted: [RejectedPlace]) throws -> RejectedFolder?

    /// Lets go of everything that was fetched.
    func discard()
}

/// Where a rejected file lies.
struct RejectedPlace: Hashable, Sendable {
    /// Below `rejected` of a volume.
    var path: String
    /// What stands for its bytes: `Digest.ofRejected`.
    var digest: Digest
    /// Why it was rejected.
    var reason: String

    /// Whether the path leads below a folder, whatever a ledger says.
    var isBelow: Bool {
        path.split(separator: "/", omittingEmptySubsequences: false).allSatisfy {
            !$0.isEmpty && $0 != "." && $0 != ".."
        }
    }

    /// Its object off-site.
    var object: String { OffsiteLayout.rejected(digest) }
}
