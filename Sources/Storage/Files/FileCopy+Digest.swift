import System

extension FileCopy {
    /// Copies `bytes` bytes from the start of `source` to the empty file `target`, and starts
    /// writing them to disk, so that making them durable later is short.
    ///
    /// - Parameter hashing: Whether to read every byte on the way and return the digest. Without
    ///   it, no byte is read into this process if that can be avoided.
    /// - Throws: `corrupt` when the source does not have exactly `bytes` bytes.
    static func copy(
        from source: Int32, to target: borrowing Descriptor, bytes: Int64, hashing: Bool,
        path: String
    ) throws(StorageError) -> Digest? {
        do throws(Failure) {
            guard hashing else {
                try copy(from: source, to: target.number, bytes: bytes)
                return nil
            }
            var digest = StreamingDigest()
            try copy(from: source, to: target.number, bytes: bytes) { digest.update($0) }
            return digest.finalize()
        } catch {
            switch error {
            case .reading(let error): throw .read(error, path)
            case .writing(let error): throw .write(error, path)
            case .wrongLength:
                throw StorageError(
                    .corrupt,
                    "the source of the copy does not have the \(bytes) bytes it should have",
                    path: path,
                    remedy: "It changed while it was copied, or it is damaged; try again")
            }
        }
    }
}
