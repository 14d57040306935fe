import Foundation
import Storage
import System

extension RemoteAccess {
    /// The kind of hash that a listing of the remote's server gives, the best of those it has;
    /// `nil` when it has none, as FTP, SMB and plain WebDAV.
    ///
    /// - Throws: Why it cannot be found out.
    public func hashKind() throws(OffsiteError) -> HashKind? {
        struct Answer: Decodable {
            var Hashes: [String]?
        }
        var output: [UInt8] = []
        let result = try run(
            ["backend", "features", base(), "--log-level", "NOTICE"],
            "The kind of a remote cannot be found out", output: { output.append(contentsOf: $0) })
        try result.check()
        guard let answer = try? JSONDecoder().decode(Answer.self, from: Data(output)) else {
            throw OffsiteError(
                .badAnswer, "rclone describes the remote in words that are not understood",
                remedy: "See the log.")
        }
        return HashKind.best(of: (answer.Hashes ?? []).map(HashKind.init))
    }

    /// Lists everything on the remote's server, as it comes: on S3 one request for 1,000 objects.
    ///
    /// - Parameters:
    ///   - kind: The kind of hash to ask for; `nil` for sizes alone.
    ///   - time: Asks for what the server had then, where it keeps versions; `nil` for now.
    ///   - body: Called with each object, in no order.
    /// - Returns: The number of objects; 0 also for a remote that does not exist yet.
    /// - Throws: Why the listing is not whole. What `body` saw until then proves nothing.
    @discardableResult
    public func list(
        hash kind: HashKind?, at time: Timestamp? = nil, _ body: (ListedObject) -> Void
    ) throws(OffsiteError) -> Int {
        do throws(OffsiteError) {
            return try list(["--fast-list"] + version(at: time), [], hash: kind, body)
        } catch {
            // Kinds with real folders say so of an empty remote.
            if error.code == .notFound { return 0 }
            throw error
        }
    }

    /// Lists some objects by their names on the server; those that are missing are left out.
    func list(
        _ names: [String], hash kind: HashKind?, _ body: (ListedObject) -> Void
    ) throws(OffsiteError) {
        if names.isEmpty { return }
        try list(
            ["--files-from-raw", "-", "--no-traverse"], Self.list(names), hash: kind, body)
    }

    @discardableResult
    private func list(
        _ arguments: [String], _ input: [UInt8], hash kind: HashKind?,
        _ body: (ListedObject) -> Void
    ) throws(OffsiteError) -> Int {
        // Times and MIME types would cost a request for each object on S3.
        var all = [
            "lsjson", "-R", base(), "--files-only", "--no-modtime", "--no-mimetype", "--log-level",
            "NOTICE",
        ]
        if let kind { all += ["--hash", "--hash-type", kind.name] }
        var listing = RemoteListing()
        var count = 0
        let result = try run(
            all + arguments, input: input, "The remote cannot be listed",
            output: { (bytes) throws(OffsiteError) in
                try listing.take(bytes) {
                    count += 1
                    body($0)
                }
            })
        try result.check()
        try listing.finish()
        return count
    }
}
