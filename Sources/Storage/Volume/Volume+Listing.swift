import Glibc

/// A file that has the name and the place of a blob; its content was not looked at.
public struct ListedBlob: Hashable, Sendable {
    public var digest: Digest
    /// Its size.
    public var bytes: Int64
    /// When its content was last changed, by the file system's word.
    public var modified: Timestamp
}

extension Volume {
    /// Calls `body` for every blob, in no order. Files below `blobs` with another name or in the
    /// wrong folder are ignored.
    ///
    /// - Throws: The errors of `body`, and `io` when the volume does not answer.
    ///
    /// See: 'man 2 fstatat'
    public func listBlobs(_ body: (ListedBlob) throws -> Void) throws {
        for outer in try blobs.entries() where Self.isTwoDigits(outer) {
            let folder = try blobs.openDirectory(outer)
            for inner in try folder.entries() where Self.isTwoDigits(inner) {
                let leaf = try folder.openDirectory(inner)
                for name in try leaf.entries() {
                    guard name.hasSuffix(".dcm"), name.hasPrefix(outer + inner),
                        let digest = Digest(hex: name.dropLast(4)),
                        Self.blobName(digest).hasSuffix("/" + name)
                    else { continue }
                    var status = stat()
                    guard fstatat(leaf.number, name, &status, AT_SYMLINK_NOFOLLOW) == 0,
                        status.st_mode & S_IFMT == S_IFREG
                    else { continue }
                    let modified =
                        Int64(status.st_mtim.tv_sec) * 1_000_000_000 + Int64(status.st_mtim.tv_nsec)
                    try body(
                        ListedBlob(
                            digest: digest, bytes: Int64(status.st_size),
                            modified: Timestamp(nanoseconds: modified)))
                }
            }
        }
    }

    private static func isTwoDigits(_ name: String) -> Bool {
        name.utf8.count == 2
            && name.utf8.allSatisfy {
                $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9")
                    || $0 >= UInt8(ascii: "a") && $0 <= UInt8(ascii: "f")
            }
    }
}
