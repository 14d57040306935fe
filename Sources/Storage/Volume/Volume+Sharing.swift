import CLinux
import System

extension Volume {
    /// What file systems share: XFS and Btrfs have blocks of this size, or of a part of it.
    private static let block: Int64 = 4096

    /// Lets a staged file share the blocks of a blob that ends with the same bytes. The kernel
    /// compares them itself, so nothing can go wrong with either.
    ///
    /// It helps only where the file system can share blocks (XFS, Btrfs), and only when the two
    /// offsets differ by whole blocks, which mostly means that they are the same: a file header of
    /// another length moves all that follows.
    ///
    /// - Parameters:
    ///   - staged: The SHA-256 of the staged file.
    ///   - offset: Where the bytes begin in it.
    ///   - digest: The SHA-256 of the blob.
    ///   - blobOffset: Where they begin there.
    /// - Returns: How many bytes are shared now; 0 where that is not possible.
    @discardableResult
    public func shareBlocks(
        ofStaged staged: Digest, from offset: Int64, with digest: Digest, from blobOffset: Int64
    ) -> Int64 {
        let skipped = (Self.block - offset % Self.block) % Self.block
        guard offset % Self.block == blobOffset % Self.block, let source = try? openBlob(digest),
            let target = try? openPending(staged), let facts = try? FileFacts(of: target.number)
        else { return 0 }
        var done: Int64 = 0
        let bytes = facts.bytes - offset - skipped
        while done < bytes {
            // See: 'man 2 ioctl_fideduperange'
            let shared = pacsfs_share_blocks(
                source.number, blobOffset + skipped + done, target.number, offset + skipped + done,
                bytes - done)
            guard shared > 0 else { break }
            done += shared
        }
        return done
    }
}
