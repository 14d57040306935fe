import Storage
import System

extension RemoteAccess {
    /// Fetches a range of an object: one blob of a pack is one ranged read.
    ///
    /// - Parameters:
    ///   - object: Its plain name.
    ///   - range: In bytes of the plain object; `nil` for all of it.
    ///   - time: Asks for what the server had then, where it keeps versions; `nil` for what it has.
    ///   - isWanted: Asked every second; when it is not wanted any more, the transfer ends.
    ///   - body: Called with the bytes in their order; what it throws ends the transfer.
    /// - Returns: How many bytes came.
    /// - Throws: Why it failed; `notFound` when the object or a part of it is not there.
    @discardableResult
    public func fetch(
        _ object: String, range: Range<Int64>? = nil, at time: Timestamp? = nil,
        isWanted: @escaping () -> Bool = { true },
        _ body: (UnsafeRawBufferPointer) throws(OffsiteError) -> Void
    ) throws(OffsiteError) -> Int64 {
        var arguments = [
            "cat", plain(object), "--log-level", "NOTICE", "--stats", "1s", "--stats-log-level",
            "NOTICE",
        ]
        if let range {
            // A count of 0 would be none at all.
            if range.isEmpty { return 0 }
            arguments += ["--offset", "\(range.lowerBound)", "--count", "\(range.count)"]
        }
        arguments += try version(at: time)
        let what = "An object cannot be fetched"
        var count: Int64 = 0
        let result = try run(
            arguments, what, isWanted: isWanted,
            output: { (bytes) throws(OffsiteError) in
                count += Int64(bytes.count)
                try body(bytes)
            })
        if !result.succeeded {
            var error = result.error
            error.path = object
            // Its name was found under these keys, so they are the right ones.
            if error.code == .wrongKeys { error.code = .corrupt }
            throw error
        }
        // On S3 an object that is not there is an empty folder, which is no error for rclone.
        if count < range.map({ Int64($0.count) }) ?? 1 {
            throw OffsiteError(
                .notFound, "An object is not on the remote, or ends too early", path: object,
                remedy: "It may have been deleted or cut there.")
        }
        return count
    }

    /// Options that show what the server had at a time.
    ///
    /// - Throws: `notFound` when this kind of remote keeps no versions.
    func version(at time: Timestamp?) throws(OffsiteError) -> [String] {
        guard let time else { return [] }
        let text = "\("\(time)".prefix(19))Z"
        switch configuration.location.options["type"] {
        case "s3": return ["--s3-version-at", text]
        case "b2": return ["--b2-version-at", text]
        default:
            throw OffsiteError(
                .notFound, "This kind of remote keeps no versions", path: configuration.name,
                remedy: "It may have been deleted there.")
        }
    }

    /// Whether old versions of objects may be had from this kind of remote.
    public var mayHaveVersions: Bool {
        ["s3", "b2"].contains(configuration.location.options["type"])
    }

    /// Whether an error may come from an encrypted object with other bytes, of which rclone says
    /// that it ends too early. A connection that breaks off looks the same; so it counts only when
    /// the server does answer.
    public func isDecryptionFailure(_ error: OffsiteError) -> Bool {
        configuration.isEncrypted && error.code == .unreachable
            && "\(error)".lowercased().contains("unexpected eof")
    }

    /// Fetches a blob and proves its bytes.
    ///
    /// - Parameters:
    ///   - place: Where it lies.
    ///   - time: As in ``fetch(_:range:at:isWanted:_:)``.
    ///   - isWanted: As in ``fetch(_:range:at:isWanted:_:)``.
    ///   - body: Called with its bytes in order. They are proven only when this returns.
    /// - Throws: `corrupt` when they are other bytes, and as ``fetch(_:range:at:isWanted:_:)``.
    public func fetch(
        _ place: BlobPlace, at time: Timestamp? = nil, isWanted: @escaping () -> Bool = { true },
        _ body: (UnsafeRawBufferPointer) throws(OffsiteError) -> Void
    ) throws(OffsiteError) {
        var digest = StreamingDigest()
        try fetch(place.object, range: place.range, at: time, isWanted: isWanted) {
            (bytes) throws(OffsiteError) in
            digest.update(bytes)
            try body(bytes)
        }
        if digest.finalize() != place.digest {
            throw OffsiteError(
                .corrupt, "The remote has other bytes for an image", path: place.object,
                remedy: "It was changed or damaged there: compare the whole remote.")
        }
    }
}
