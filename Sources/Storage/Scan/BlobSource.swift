import CLinux
import Glibc
import System

/// The folder `blobs` of a volume as a scan sees it.
struct BlobSource: Sendable {
    /// A file to be read.
    struct Item: Sendable {
        var digest: Digest
        var inode: UInt64
        /// The size it must have; `nil` when it is not expected.
        var expectedBytes: Int64?
    }

    /// The files to be read in one outer folder, and the findings that need no reading.
    struct Listing: Sendable {
        /// In the order of their inodes.
        var items: [Item] = []
        var findings: [BlobFinding] = []
    }

    private let blobs: SharedDirectory
    let disk: DiskCalls?

    init(_ blobs: borrowing Directory, disk: DiskCalls? = nil) throws(StorageError) {
        self.disk = disk
        self.blobs = SharedDirectory(try blobs.openDirectory("."))
    }

    /// Opens a blob, without changing its time of access where that is possible.
    func open(_ digest: Digest) throws(StorageError) -> Descriptor {
        let name = Volume.blobName(digest)
        let flags = O_RDONLY
        do {
            return try blobs.directory.openFile(name, flags | Int32(PACSFS_O_NOATIME))
        } catch  where error.isForbidden {
            return try blobs.directory.openFile(name, flags)
        }
    }

    /// Where it is.
    var path: String { blobs.directory.path }

    /// How long anybody waits for the disk, ns.
    var patience: Int64 { disk?.patience.limit ?? 0 }

    func path(_ digest: Digest) -> String {
        blobs.directory.path(of: Volume.blobName(digest))
    }

    /// Entries of `blobs` that are not outer folders.
    func strayNames() throws(StorageError) -> [BlobFinding] {
        var findings: [BlobFinding] = []
        try blobs.directory.forEachEntry { entry throws(StorageError) in
            let isFolder = try isKind(.folder, entry, in: blobs.directory)
            if isFolder, Self.byte(entry.name) != nil { return }
            findings.append(
                .foreign(
                    path: entry.text,
                    reason: Self.byte(entry.name) == nil
                        ? "its name is not one of 00 to ff" : "it is not a folder"))
        }
        return findings
    }

    /// Lists an outer folder. Blobs that are expected where the listing fails are unreadable.
    ///
    /// - Parameter expected: In the order of the digests.
    func list(_ outer: UInt8, expecting expected: [ExpectedBlob]) -> Listing {
        var listing = Listing()
        var found: [(digest: Digest, inode: UInt64)] = []
        var failures: [UInt8: String] = [:]
        let name = Self.hex(outer)
        do throws(StorageError) {
            let folder = try blobs.directory.openDirectory(name)
            try folder.forEachEntry { entry throws(StorageError) in
                guard let inner = Self.byte(entry.name), try isKind(.folder, entry, in: folder)
                else {
                    listing.findings.append(
                        .foreign(
                            path: "\(name)/\(entry.text)",
                            reason: "only folders 00 to ff belong here"))
                    return
                }
                do throws(StorageError) {
                    try list(outer, inner, in: folder.openDirectory(entry.text), &found, &listing)
                } catch {
                    failures[inner] = error.description
                }
            }
        } catch  where error.isMissing {
            // Nothing was ever stored here; expected blobs are missing.
        } catch {
            for inner in UInt8.min...UInt8.max where failures[inner] == nil {
                failures[inner] = error.description
            }
        }
        match(&found, with: expected, failures, &listing)
        return listing
    }

    private func list(
        _ outer: UInt8, _ inner: UInt8, in folder: borrowing Directory,
        _ found: inout [(digest: Digest, inode: UInt64)], _ listing: inout Listing
    ) throws(StorageError) {
        let wanted = UInt16(outer) << 8 | UInt16(inner)
        try folder.forEachEntry { entry throws(StorageError) in
            func foreign(_ reason: String) {
                listing.findings.append(
                    .foreign(
                        path: "\(Self.hex(outer))/\(Self.hex(inner))/\(entry.text)", reason: reason)
                )
            }
            guard let digest = Self.digest(entry.name) else {
                return foreign("its name is not <sha256>.dcm")
            }
            guard digest.firstTwoBytes == wanted else {
                return foreign("it is in the wrong folder")
            }
            guard try isKind(.file, entry, in: folder) else {
                return foreign("it is not a plain file")
            }
            found.append((digest, entry.inode))
        }
    }

    /// Compares the files that are there with the expected ones, both sorted.
    private func match(
        _ found: inout [(digest: Digest, inode: UInt64)], with expected: [ExpectedBlob],
        _ failures: [UInt8: String], _ listing: inout Listing
    ) {
        found.sort { $0.digest < $1.digest }
        listing.items.reserveCapacity(found.count)
        var next = 0
        func missing(_ blob: ExpectedBlob) {
            let inner = UInt8(truncatingIfNeeded: blob.digest.firstTwoBytes)
            listing.findings.append(
                .bad(blob, failures[inner].map(BlobFault.unreadable) ?? .missing))
        }
        for file in found {
            while next < expected.count, expected[next].digest < file.digest {
                missing(expected[next])
                next += 1
            }
            var bytes: Int64?
            if next < expected.count, expected[next].digest == file.digest {
                bytes = expected[next].bytes
                next += 1
            }
            listing.items.append(Item(digest: file.digest, inode: file.inode, expectedBytes: bytes))
        }
        for blob in expected[next...] { missing(blob) }
        listing.items.sort { $0.inode < $1.inode }
    }

    // MARK: Names

    private enum Kind { case file, folder }

    /// Looks at the inode where the file system does not give the kind with the name.
    private func isKind(
        _ kind: Kind, _ entry: Directory.Entry, in folder: borrowing Directory
    ) throws(StorageError) -> Bool {
        switch Int(entry.type) {
        case Int(DT_REG): return kind == .file
        case Int(DT_DIR): return kind == .folder
        case Int(DT_UNKNOWN):
            let facts = try folder.facts(entry.text)
            return kind == .file ? facts?.isRegular ?? false : facts?.isDirectory ?? false
        default: return false
        }
    }

    private static func hex(_ byte: UInt8) -> String {
        (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }

    /// The value of two lower-case hexadecimal digits; `nil` for any other name.
    private static func byte(_ name: UnsafeRawBufferPointer) -> UInt8? {
        guard name.count == 2, isLowerCase(name) else { return nil }
        return UInt8(String(decoding: name, as: UTF8.self), radix: 16)
    }

    private static func digest(_ name: UnsafeRawBufferPointer) -> Digest? {
        guard name.count == 68, name[64...].elementsEqual(".dcm".utf8) else { return nil }
        let digits = UnsafeRawBufferPointer(rebasing: name[..<64])
        return isLowerCase(digits) ? Digest(hexDigits: digits) : nil
    }

    /// pacsfs writes digits in lower case; other names would not be found again.
    private static func isLowerCase(_ digits: UnsafeRawBufferPointer) -> Bool {
        digits.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
    }
}

/// A directory that several threads use.
private final class SharedDirectory: Sendable {
    let directory: Directory
    init(_ directory: consuming Directory) { self.directory = directory }
}
