import Glibc

/// A volume opened for inspection: nothing is made, mended or written, so that the volume may be
/// on a file system that is mounted read-only, in use by a running daemon, or in a state in which
/// ``Volume/open(at:archive:reserve:)`` refuses it.
public final class InspectedVolume: Sendable {
    /// Where it was when it was opened.
    public let path: String
    /// The content of its identity file, or why it cannot be read.
    public let identity: Result<VolumeIdentity, StorageError>
    /// Whether the identity file is byte for byte what pacsfs wrote for this identity.
    public let isIdentityAsWritten: Bool
    /// The names in its folder that do not belong to a volume.
    public let strayNames: [String]
    /// Whether any folder of the layout is there; an empty mount point has none.
    public let hasLayout: Bool
    let root: Directory

    /// The state of `README.txt`.
    public enum Readme: Hashable, Sendable {
        case asWritten
        case changed
        case missing
    }

    public let readme: Readme

    /// Opens a folder that is, or should be, a volume.
    ///
    /// - Throws: `notFound` when the folder is not there, `io` when it cannot be listed.
    public init(at path: String) throws(StorageError) {
        let root = try Directory.open(path: path)
        let known = Volume.Name.layout.union([
            Volume.Name.identity, VolumeReadme.name, "lost+found",
            // A crash leaves these while they are written.
            Volume.Name.identity + ".tmp", VolumeReadme.name + ".tmp",
        ])
        let names = try root.entries()
        strayNames = names.filter { !known.contains($0) }.sorted()
        hasLayout = names.contains { Volume.Name.layout.contains($0) }
        self.path = path
        (identity, isIdentityAsWritten) = Self.identity(in: root)
        readme = Self.readme(in: root)
        self.root = root
    }

    private static func identity(
        in root: borrowing Directory
    ) -> (Result<VolumeIdentity, StorageError>, Bool) {
        do throws(StorageError) {
            let name = Volume.Name.identity
            guard let bytes = try content(of: name, in: root) else {
                throw StorageError(
                    .notAVolume, "the identity file \(name) is not there", path: root.path,
                    remedy: "Is the disk mounted? Is this the right folder?")
            }
            let identity = try VolumeIdentity(fileContent: bytes, path: root.path(of: name))
            return (.success(identity), identity.fileContent == bytes)
        } catch {
            return (.failure(error), false)
        }
    }

    private static func readme(in root: borrowing Directory) -> Readme {
        let bytes: [UInt8]?
        do throws(StorageError) {
            bytes = try content(of: VolumeReadme.name, in: root)
        } catch {
            return .changed
        }
        guard let bytes else { return .missing }
        return bytes == Array(VolumeReadme.text.utf8) ? .asWritten : .changed
    }

    /// The bytes of a small file; `nil` when it is not there, and empty when it is too large or not
    /// a file.
    private static func content(
        of name: String, in root: borrowing Directory
    ) throws(StorageError) -> [UInt8]? {
        guard let facts = try root.facts(name) else { return nil }
        guard facts.isRegular, facts.bytes <= 65536 else { return [] }
        let file = try root.openFile(name)
        return try file.bytes(at: 0, count: Int(facts.bytes), path: root.path(of: name))
    }

    /// A scan of this volume's blobs.
    ///
    /// - Throws: `notFound` when the folder `blobs` is gone, `io` when the volume is.
    public func scan(
        _ options: BlobScan.Options = BlobScan.Options()
    ) throws(StorageError) -> BlobScan {
        BlobScan(try BlobSource(root.openDirectory(Volume.Name.blobs)), options)
    }

    /// Reads one blob, as a scan does.
    ///
    /// - Returns: Its fault; `nil` when it is good.
    /// - Throws: `notFound` when the folder `blobs` is gone, `io` when the volume is.
    public func fault(of blob: ExpectedBlob) throws(StorageError) -> BlobFault? {
        let reader = BlobReader(try BlobSource(root.openDirectory(Volume.Name.blobs)), nil) {
            false
        }
        let item = BlobSource.Item(digest: blob.digest, inode: 0, expectedBytes: blob.bytes)
        guard case .bad(_, let fault)? = reader.read(item) else { return nil }
        return fault
    }

    /// Whether a blob is on its way: it has a name in `staging/commit` until its record is in
    /// the ledger.
    ///
    /// - Throws: `io` when the volume cannot be read.
    public func isStaged(_ digest: Digest) throws(StorageError) -> Bool {
        do throws(StorageError) {
            let staging = try root.openDirectory(Volume.Name.staging)
            return try Volume.isStaged(digest, in: staging.openDirectory(Volume.Name.commit))
        } catch  where error.code == .notFound {
            return false
        }
    }

    /// The sites whose ledgers are on this volume, and the names in `ledger` that are not folders.
    ///
    /// - Throws: `notFound` when the folder `ledger` is gone, `io` when the volume is.
    public func ledgerNames() throws(StorageError) -> (sites: [String], others: [String]) {
        let ledger = try root.openDirectory(Volume.Name.ledger)
        var (sites, others): ([String], [String]) = ([], [])
        for name in try ledger.entries().sorted() {
            if try ledger.facts(name)?.isDirectory ?? false {
                sites.append(name)
            } else {
                others.append(name)
            }
        }
        return (sites, others)
    }

    /// Begins to read the ledger of a site strictly, from its first record.
    ///
    /// - Throws: `notFound` when the volume has none.
    public func ledger(of site: String) throws(StorageError) -> LedgerChain {
        let ledger = try root.openDirectory(Volume.Name.ledger)
        return LedgerChain(
            LedgerFolder(try ledger.openDirectory(site), site: site), policy: .strict)
    }
}
