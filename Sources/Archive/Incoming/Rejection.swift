import Foundation
import Naming
import Storage
import TagIndex

/// A file that is to be set aside.
public struct RejectRequest: Sendable {
    public var file: IngestFile
    /// Where it comes from, for the ledger.
    public var source: String
    /// What it shall be called below `/rejected/<date>`.
    public var path: String
    /// For a person: what is wrong with it and what to do.
    public var reason: String

    public init(file: IngestFile, source: String, path: String, reason: String) {
        self.file = file
        self.source = source
        self.path = path
        self.reason = reason
    }
}

extension Archive {
    /// Sets a file aside under `/rejected`, durably and on as many volumes as an image, with
    /// its reason beside it. The same file from the same place is set aside once.
    ///
    /// - throws: ``ArchiveError``; the source is as it was.
    public func reject(_ request: RejectRequest) throws(ArchiveError) {
        try ArchiveError.from {
            var status = stat()
            guard fstat(request.file.descriptor, &status) == 0 else {
                throw ArchiveError(
                    .storage,
                    "\(request.source) cannot be read: \(String(cString: strerror(errno))).")
            }
            let bytes = Int64(status.st_size)
            let digest = try Digest.of(
                descriptor: request.file.descriptor, bytes: bytes, path: request.source)
            rejecting.lock()
            defer { rejecting.unlock() }
            // Set aside before, and still there: it may have been cleared away by hand since, or
            // moved back into incoming.
            if let known = try index.read({
                try $0.rejected(sha256: digest.bytes, source: request.source)
            }),
                volumes.staging.hasRejected(known, bytes: bytes)
            {
                return
            }
            let path = request.path.unicodeScalars.split(separator: "/").map {
                PortableName.component(String($0))
            }
            .joined(separator: "/")
            // Always where /rejected shows it, and from there on as many as an image.
            let staging = volumes.staging
            var targets = [staging]
            targets += try volumes.choose(
                copies: settings.copies, minimum: settings.minimumCopies, bytes: bytes,
                holding: [staging.identity.ordinal])
            var place = ""
            for volume in targets.reversed() {
                place = try volume.reject(
                    copyOf: request.file.descriptor, path: path.isEmpty ? "_" : path,
                    reason: request.reason + "\n")
            }
            try catalogue.record(
                RejectRecord(
                    sha256: digest.bytes, bytes: bytes,
                    path: String(place.trimmingPrefix("rejected/")), source: request.source,
                    reason: request.reason, time: 0))
            log.notice("Set aside \(request.source): \(request.reason)")
        }
    }
}
