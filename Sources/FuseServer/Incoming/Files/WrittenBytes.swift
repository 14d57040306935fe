import Storage
import System

/// What is known of the bytes of a file from the way they were written.
struct WrittenBytes: Sendable {
    /// Of the first `hashed` bytes, as long as the file is written from start to end. A write takes
    /// it out and puts it back when it has succeeded.
    private var digest: StreamingDigest? = StreamingDigest()
    private var hashed = 0
    /// A part that could not be written, and why. Without it the file is half a file.
    private var failure: (range: Range<Int>, error: Errno)?
    /// The size that it was given before its bytes; `nil` when all of them were written.
    private var declared: DeclaredSize?

    /// Of a file that is empty and about to be written.
    init() {}

    /// Of a file that lies there.
    static var unknown: WrittenBytes {
        var bytes = WrittenBytes()
        bytes.digest = nil
        return bytes
    }

    /// The digest of the whole file; `nil` when it was not computed while the file was written.
    ///
    /// - Parameter size: Of the file, bytes.
    func digest(ofSize size: Int) -> Digest? { hashed == size ? digest?.finalize() : nil }

    /// Why it could not be written whole; `nil` when it could.
    var error: Errno? { failure?.error }

    /// What was never written although the size of the file says so, as a part of a sentence.
    var missing: String? { declared?.missing }

    /// Begins a write.
    ///
    /// - Returns: The digest to go on with; `nil` when the write does not continue the hashed part.
    mutating func beginWrite(at offset: Int) -> StreamingDigest? {
        // Even a write that fails may have changed something.
        defer { digest = nil }
        return hashed == offset ? digest : nil
    }

    /// Ends a write that has succeeded.
    ///
    /// - Parameter digest: That of ``beginWrite(at:)``, with the bytes of the write.
    mutating func wrote(_ range: Range<Int>, _ digest: StreamingDigest?) {
        self.digest = digest
        if digest != nil { hashed += range.count }
        declared?.wrote(range)
        if declared?.isFulfilled == true { declared = nil }
        guard let failed = failure?.range, range.lowerBound <= failed.lowerBound else { return }
        // Written again, perhaps in other pieces, from the front.
        failure =
            range.upperBound >= failed.upperBound
            ? nil
            : failure.map {
                (max(failed.lowerBound, range.upperBound)..<failed.upperBound, $0.error)
            }
    }

    /// Ends a write that has failed.
    mutating func failed(_ range: Range<Int>, _ error: Errno) {
        let known = failure?.range ?? range
        failure = (
            min(known.lowerBound, range.lowerBound)..<max(known.upperBound, range.upperBound), error
        )
    }

    /// Bytes were changed in another way than by writing.
    mutating func changed() { digest = nil }

    /// The size was set, and not by writing.
    mutating func resized(from old: Int, to new: Int) {
        if new != hashed { digest = nil }
        if declared == nil {
            declared = new > old ? DeclaredSize(size: new, from: old) : nil
        } else {
            declared?.resize(to: new)
            if declared?.isFulfilled == true { declared = nil }
        }
    }
}
