import Glibc
import Storage
import System

/// Reads a pack from front to back, from a file or as it arrives, and proves each blob.
///
/// It reads packs only as ``PackWriter`` makes them; what somebody has changed, however little, is
/// an error. A pack that has been put together by hand is for `tar`.
public struct PackReader: ~Copyable {
    /// What a pack is made of.
    public enum Part: Hashable, Sendable {
        /// A blob begins here.
        case blob(BlobPlace)
        /// The pack has ended as it should.
        case end
    }

    private enum Position {
        case sums, header, blob(BlobPlace), end
    }

    private let source: (UnsafeMutableRawBufferPointer) throws(Errno) -> Int
    private let name: String
    private var position = Position.sums
    private var offset: Int64 = 0
    private var sums: [UInt8] = []
    private var found: [Digest] = []
    private let buffer: UnsafeMutableRawBufferPointer

    /// - Parameters:
    ///   - name: That of the object, for messages and places.
    ///   - source: Fills a buffer, or a part of it; 0 at the end.
    public init(
        name: String, _ source: @escaping (UnsafeMutableRawBufferPointer) throws(Errno) -> Int
    ) {
        self.name = name
        self.source = source
        buffer = .allocate(byteCount: 1 << 18, alignment: 4096)
    }

    /// Reads an open file or pipe from where it stands.
    public init(name: String, from descriptor: Int32) {
        self.init(name: name) { (buffer) throws(Errno) in
            try systemCall { Glibc.read(descriptor, buffer.baseAddress, buffer.count) }
        }
    }

    deinit { buffer.deallocate() }

    /// The next blob. One that was not read with ``read(_:)`` is passed over, proven all the same.
    ///
    /// - Throws: `corrupt` when this is no pack, or a damaged one.
    public mutating func next() throws(OffsiteError) -> Part {
        if case .blob = position { try read { _ in } }
        if case .sums = position { try readSums() }
        if case .end = position { return .end }
        guard let header = try header() else {
            try readEnd()
            return .end
        }
        guard let digest = Pack.digest(ofBlobName: header.name) else {
            throw damaged("a member is no blob: \(header.name)")
        }
        if let last = found.last, last >= digest { throw damaged("blobs are out of order") }
        found.append(digest)
        let place = BlobPlace(digest: digest, object: name, offset: offset, bytes: header.bytes)
        position = .blob(place)
        return .blob(place)
    }

    /// Reads the blob that ``next()`` has announced.
    ///
    /// - Parameter body: Called with its bytes in order. They are proven only when this returns.
    /// - Throws: `corrupt` when it has other bytes than its name says; what `body` throws.
    public mutating func read(
        _ body: (UnsafeRawBufferPointer) throws(OffsiteError) -> Void
    ) throws(OffsiteError) {
        guard case .blob(let place) = position else { preconditionFailure("next() comes first") }
        var digest = StreamingDigest()
        while digest.bytes < place.bytes {
            let piece = try fill(min(Int64(buffer.count), place.bytes - digest.bytes))
            digest.update(piece)
            try body(piece)
        }
        guard digest.finalize() == place.digest else {
            throw damaged("an image has other bytes than its name says: \(place.digest)")
        }
        try skipPadding()
        position = .header
    }

    private mutating func readSums() throws(OffsiteError) {
        guard let header = try header(), header.bytes <= Pack.mostBytes else {
            throw damaged("it has no sums")
        }
        var digest = StreamingDigest()
        while digest.bytes < header.bytes {
            let piece = try fill(min(Int64(buffer.count), header.bytes - digest.bytes))
            digest.update(piece)
            sums.append(contentsOf: piece)
        }
        guard header.name == "sums/\(digest.finalize().hex).sha256" else {
            throw damaged("its sums are not the ones that it was made with")
        }
        try skipPadding()
        position = .header
    }

    /// A second block of zeros follows the first, and nothing after it; all blobs of the sums were
    /// there.
    private mutating func readEnd() throws(OffsiteError) {
        guard try header() == nil else { throw damaged("something follows its end") }
        let more: Int
        do throws(Errno) { more = try source(buffer) } catch { throw unreadable(error) }
        if more != 0 { throw damaged("something follows its end") }
        guard Pack.sums(of: found) == sums else { throw damaged("a blob is missing, or one more") }
        position = .end
    }

    private mutating func header() throws(OffsiteError) -> TarHeader? {
        let block = [UInt8](try fill(TarHeader.block))
        do throws(TarHeader.Fault) {
            return try TarHeader(block)
        } catch { throw damaged(error.reason) }
    }

    private mutating func skipPadding() throws(OffsiteError) {
        let count = TarHeader.padded(offset) - offset
        if count == 0 { return }
        guard try fill(count).allSatisfy({ $0 == 0 }) else {
            throw damaged("something stands between two members")
        }
    }

    /// Exactly so many bytes, at most those of the buffer; valid until the next call.
    private mutating func fill(_ count: Int64) throws(OffsiteError) -> UnsafeRawBufferPointer {
        var done = 0
        while done < Int(count) {
            let piece = UnsafeMutableRawBufferPointer(rebasing: buffer[done..<Int(count)])
            let more: Int
            do throws(Errno) {
                more = try source(piece)
            } catch { throw unreadable(error) }
            if more == 0 { throw damaged("it ends after \(offset + Int64(done)) bytes") }
            done += more
        }
        offset += count
        return UnsafeRawBufferPointer(rebasing: buffer.prefix(Int(count)))
    }

    private func damaged(_ reason: String) -> OffsiteError {
        OffsiteError(
            .corrupt, "A pack is damaged: \(reason)", path: name,
            remedy: "Fetch it again; if that is no help, the remote has changed it.")
    }

    private func unreadable(_ error: Errno) -> OffsiteError {
        OffsiteError(
            .local, "A pack cannot be read", path: name, remedy: "See the log.", cause: error)
    }
}
