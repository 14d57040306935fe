import System

/// A file that is to go away.
public struct OutgoingObject: Hashable, Sendable {
    /// Its path below the folder it comes from, and on the remote.
    public var name: String
    /// Its size.
    public var bytes: Int64
    /// What is known of its content, by the kind of hash; a remote that is not encrypted must say
    /// the same.
    public var hashes: [HashKind: String]

    public init(name: String, bytes: Int64, hashes: [HashKind: String] = [:]) {
        self.name = name
        self.bytes = bytes
        self.hashes = hashes
    }
}

/// What has become of a batch.
public struct PushReport: Sendable {
    /// What lies on the remote, proven: the object's plain name, and what the server says of it.
    public var pins: [String: Pin] = [:]
    /// Why an object is not proven to be there, by its plain name.
    public var problems: [String: OffsiteError] = [:]
    /// Bytes that went over.
    public var sentBytes: Int64 = 0

    public init() {}
}

extension RemoteAccess {
    /// The most objects of a batch.
    public static let mostObjects = 1_000
    /// The most bytes of a batch, unless it is one object.
    public static let mostBytes: Int64 = 256 << 20

    /// Brings files to the remote, and proves that they are there.
    ///
    /// An object counts when rclone has compared it after sending it, or when it was there already
    /// and reading it back gave the same bytes; and when the server then lists it with the right
    /// size. rclone's exit code proves nothing: it is 0 even if a file, or the whole folder, was
    /// not there (rclone#7842).
    ///
    /// - Parameters:
    ///   - folder: Where the files are.
    ///   - objects: At most ``mostObjects``.
    ///   - kind: The kind of hash that the server is asked for; `nil` when it has none.
    ///   - lock: What the server is asked to keep each object for; only where that is possible.
    ///   - progress: Called about every second.
    /// - Throws: Why the batch as a whole failed. What went over is found at the next try.
    public func push(
        _ objects: [OutgoingObject], from folder: String, hash kind: HashKind?,
        lock: ObjectLock? = nil, progress: (TransferProgress) -> Void = { _ in }
    ) throws(OffsiteError) -> PushReport {
        var report = PushReport()
        // An empty list would be no list at all, and everything would go.
        if objects.isEmpty { return report }
        let sent = try copy(
            objects.map(\.name), from: folder, lock,
            progress: { state in
                report.sentBytes = state.bytes
                progress(state)
            })
        for (name, message) in sent.failures {
            report.problems[name] = RcloneFailure.error(
                "An object did not get there", object: name, said: message)
        }
        let unproven = objects.map(\.name).filter {
            !sent.copied.contains($0) && report.problems[$0] == nil
        }
        // When nothing arrived there is nothing to look at, and the reason is known.
        if !sent.succeeded, sent.copied.isEmpty, sent.failures.isEmpty { throw sent.error }
        try compare(unproven, with: folder, into: &report)
        try pin(
            objects.filter { report.problems[$0.name] == nil }, hash: kind, into: &report)
        return report
    }

    /// Of the rate, as `pacsfs.toml` has it.
    var limit: [String] {
        // In KiB, which every version reads the same way.
        configuration.bandwidth.map { ["--bwlimit", "\($0 / 1024)k"] } ?? []
    }

    private func copy(
        _ names: [String], from folder: String, _ lock: ObjectLock?,
        progress: (TransferProgress) -> Void
    ) throws(OffsiteError) -> RcloneJob.Result {
        var arguments = [
            "copy", folder, plain(), "--files-from-raw", "-", "--no-traverse", "--immutable",
            // Blobs have other times on each volume; their names are their content.
            "--size-only", "--log-level", "INFO", "--stats", "1s", "--transfers", "4",
            // Files of this machine need no reading ahead: half the memory.
            "--buffer-size", "0",
        ]
        arguments += lock?.arguments ?? []
        return try run(
            arguments + limit, input: Self.list(names), "The remote could not be pushed to",
            progress: progress)
    }

    /// Reads objects back that were there before, and compares them with the files here.
    private func compare(
        _ names: [String], with folder: String, into report: inout PushReport
    ) throws(OffsiteError) {
        if names.isEmpty { return }
        var output: [UInt8] = []
        let result = try run(
            [
                "check", folder, plain(), "--download", "--one-way", "--files-from-raw", "-",
                "--no-traverse", "--combined", "-", "--log-level", "INFO", "--stats", "1s",
            ], input: Self.list(names), "Objects could not be compared",
            output: { output.append(contentsOf: $0) })
        var marks: [String: Character] = [:]
        for line in String(decoding: output, as: UTF8.self).split(separator: "\n") {
            if let mark = line.first, line.count > 2 { marks[String(line.dropFirst(2))] = mark }
        }
        // A difference is a failure of the run too, and then some marks are there.
        if !result.succeeded, marks.isEmpty { throw result.error }
        for name in names {
            switch marks[name] {
            case "=": break
            case "*":
                report.problems[name] = OffsiteError(
                    .modified, "An object of the remote has other bytes than the file here",
                    path: name, remedy: "Nothing is overwritten: find out who wrote it.")
            case "!":
                var error = RcloneFailure.error(
                    "An object cannot be compared", object: name,
                    said: result.failures[name] ?? result.messages.last ?? "no reason is known")
                // Its name was found under these keys, so they are the right ones.
                if error.code == .wrongKeys || isDecryptionFailure(error) { error.code = .modified }
                report.problems[name] = error
            default:
                // "+", or no word of it: then it is not in the folder either.
                report.problems[name] = OffsiteError(
                    .notFound, "An object did not get to the remote", path: name,
                    remedy: "It is sent again, if the file is still here.")
            }
        }
    }

    /// Asks the server what it has.
    private func pin(
        _ objects: [OutgoingObject], hash kind: HashKind?, into report: inout PushReport
    ) throws(OffsiteError) {
        if objects.isEmpty { return }
        let names = try serverNames(of: objects.map(\.name))
        var listed: [String: ListedObject] = [:]
        try list(Array(names.values), hash: kind) { listed[$0.name] = $0 }
        for object in objects {
            guard let name = names[object.name], let found = listed[name] else {
                report.problems[object.name] = OffsiteError(
                    .notFound, "The server does not list an object that was sent",
                    path: object.name, remedy: "It is sent again.")
                continue
            }
            let bytes = configuration.remoteBytes(of: object.bytes)
            let hash = kind.flatMap { kind in found.hashes[kind].map { (kind, $0) } }
            let isOther =
                !configuration.isEncrypted
                && hash.map { object.hashes[$0.0].map { [known = $0.1] in $0 != known } ?? false }
                    ?? false
            if found.bytes != bytes || isOther {
                report.problems[object.name] = OffsiteError(
                    .modified, "The server has \(found.bytes) other bytes of an object",
                    path: object.name, remedy: "Nothing is overwritten: find out who wrote it.")
                continue
            }
            report.pins[object.name] = Pin(
                object: name, bytes: bytes,
                hash: hash.map { PinnedHash(kind: $0.0, hex: $0.1) })
        }
    }

    /// Removes what an interrupted push has left of an object: fewer bytes than it should have.
    /// Without this a kind of remote that writes in place (a folder, SFTP, in 1.60) would refuse
    /// the object ever after. An object that is as long as it should be, or longer, stays.
    ///
    /// - Parameter object: One that no record says is there.
    /// - Returns: Whether something was removed.
    /// - Throws: Why it cannot be looked at or removed.
    public func removeRemains(of object: OutgoingObject) throws(OffsiteError) -> Bool {
        guard let name = try serverNames(of: [object.name])[object.name] else { return false }
        var found: ListedObject?
        try list([name], hash: nil) { found = $0 }
        guard let found, found.bytes < configuration.remoteBytes(of: object.bytes) else {
            return false
        }
        try run(
            ["deletefile", base(name), "--log-level", "NOTICE"],
            "The remains of an object cannot be removed"
        ).check()
        return true
    }
}
