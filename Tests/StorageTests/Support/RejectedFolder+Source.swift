import System

@testable import Storage

extension RejectedFolder {
    /// Rejects a file as it is now.
    func reject(
        copyOf source: Int32, path: String, reason: String, at time: Timestamp = .now()
    ) throws(StorageError) -> String {
        let bytes = try FileFacts.of(source, path: path).bytes
        let digest = try Digest.ofRejected(descriptor: source, bytes: bytes, path: path)
        return try reject(
            copyOf: source, bytes: bytes, digest: digest, path: path, reason: reason, at: time)
    }
}
