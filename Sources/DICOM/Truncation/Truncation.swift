/// Where a file ends before its data set does, such as a copy that was interrupted.
public struct Truncation: Hashable, Sendable {
    /// The element of the data set in which the bytes end, or after whose head they end. `nil` in
    /// a deflated data set, and when not even the whole tag is there.
    public var tag: Tag?
    /// Bytes of the value of that element that are there.
    public var bytes: UInt64
    /// Bytes that the value should have; `nil` when it has no length, and its delimiter is missing.
    public var length: UInt64?
    /// Whether there are only zeros where the pixels of an image should be. A file system can
    /// leave such zeros after the last bytes that it wrote before a crash.
    public var lacksPixels = false

    /// Whether the file ends within the pixels.
    public var isInPixels: Bool { tag.map { Tag.pixels.contains($0) } ?? false }

    fileprivate static let withoutPixels = Truncation(
        tag: nil, bytes: 0, length: nil, lacksPixels: true)
}

extension Tag {
    /// Whether the element holds the content of the object: pixels or their address, or the content
    /// of other kinds of objects (waveforms, spectra, enclosed documents, private data).
    fileprivate var isContent: Bool {
        switch group {
        case 0x5400, 0x5600, 0x7FE1...0xFFFB: true
        case 0x0028: element == 0x7FE0  // Pixel Data Provider URL
        case 0x0042: element == 0x0011
        default: Tag.pixels.contains(self)
        }
    }
}

extension HeaderReader {
    /// Reads the header of one file and finds out whether the file is truncated; the flags of the
    /// header say it too.
    ///
    /// - Throws: As ``read(_:)``.
    public mutating func readUpToPixels(
        _ source: some ByteSource
    ) throws(ReadError) -> (header: HeaderAttributes, truncation: Truncation?) {
        var header = try read(source)
        guard !header.isMediaStorageDirectory else { return (header, nil) }
        guard let truncation = try truncation(of: source) else {
            if elements.hasUnusualEnd { header.flags.insert(.unusualEnd) }
            return (header, nil)
        }
        header.flags.insert(truncation.isInPixels ? .pixelDataTruncated : .truncated)
        return (header, truncation)
    }

    /// Finds out whether a file ends before its data set does. It walks on from the header that
    /// was read last to the pixels, or to the end of a data set without pixels, by the lengths
    /// of the elements.
    ///
    /// Bytes that make no sense, or come after the pixels, do not count as truncated. Nor does a
    /// file that ends between two elements, because some headers are kept without their pixels; nor
    /// one that has all its content, and lacks only a pad byte or the last delimiter.
    ///
    /// - Parameter source: The file that ``read(_:)`` read last.
    /// - Throws: ``ReadError`` with code `io`: the source failed.
    public mutating func truncation(
        of source: some ByteSource
    ) throws(ReadError) -> Truncation? {
        guard let rest else { return truncation }
        self.rest = nil
        elements.buffer.open(source)
        defer { elements.buffer.close() }
        do throws(Fault) {
            switch rest {
            case .elements(let position, let encoding):
                return try elements.truncation(
                    from: position, encoding, isImage: isImage, frames: separateFrames)
            case .deflated(let offset):
                let isWhole = try Inflater(source, from: offset).reachesEnd()
                return isWhole ? nil : Truncation(tag: nil, bytes: 0, length: nil)
            }
        } catch {
            if case .source(let error) = error { throw error }
            return nil
        }
    }

    /// The number of frames that have fragments of their own: Number of Frames, or 1 for a video,
    /// whose stream knows no fragments (PS3.5 section 8.2.7).
    private var separateFrames: Int {
        let isVideo = values.text.withText(.transferSyntaxUID) {
            $0.starts(with: "1.2.840.10008.1.2.4.10".utf8)
        }
        guard !isVideo else { return 1 }
        let frames = values.text.withText(.numberOfFrames) {
            Int(String(decoding: $0, as: UTF8.self))
        }
        return max(1, frames ?? 1)
    }

    /// Whether the part of the data set that was read belongs to an image: it has Rows and Columns,
    /// which the Image Pixel module has together with the pixels (PS3.3 section C.7.6.3). Private
    /// kinds of objects use Rows and Columns for other purposes as well.
    private var isImage: Bool {
        guard values.has(.rows), values.has(.columns) else { return false }
        return !values.has(.sopClassUID)
            || values.text.withText(.sopClassUID) { $0.starts(with: "1.2.840.10008.".utf8) }
    }
}

extension ElementReader {
    /// Walks to the pixels or to the end of the data set.
    ///
    /// - Parameter isImage: Whether the data set should have pixels. Then zeros in place of an
    ///   element are taken for bytes that were never written.
    fileprivate mutating func truncation(
        from start: Int, _ encoding: DataEncoding, isImage: Bool, frames: Int
    ) throws(Fault) -> Truncation? {
        do throws(Fault) {
            return try walk(from: start, encoding, expectsPixels: isImage, frames: frames)
        } catch {
            guard case .data(_, let position) = error, isImage else { throw error }
            return try isFollowedByZeros(position) ? .withoutPixels : nil
        }
    }

    /// Whether only zeros follow an element that makes no sense: its head was truncated.
    private mutating func isFollowedByZeros(_ position: Int) throws(Fault) -> Bool {
        let have = min(try buffer.reach(position, 76), 76)
        return have > 12 && buffer.bytes(position + 12, have - 12).allSatisfy { $0 == 0 }
    }

    private mutating func walk(
        from start: Int, _ encoding: DataEncoding, expectsPixels isImage: Bool, frames: Int
    ) throws(Fault) -> Truncation? {
        var position = start
        var previous = Tag(rawValue: 0)
        var expectsPixels = isImage
        while position < buffer.limit {
            let have = try buffer.reach(position, 12)
            // Padding, or bytes that were never written.
            if buffer.bytes(position, min(have, 12)).allSatisfy({ $0 == 0 }) {
                hasUnusualEnd = true
                return expectsPixels ? .withoutPixels : nil
            }
            if !expectsPixels, try isTrailer(position) {
                hasUnusualEnd = true
                return nil
            }
            // Too short for an element: some programs leave a line feed at the end.
            guard have >= 8 else {
                hasUnusualEnd = true
                return expectsPixels ? Truncation(tag: nil, bytes: 0, length: nil) : nil
            }
            if encoding.tag(at: buffer.pointer(position)).group == 0xFFFE {
                hasUnusualEnd = true
                position += 8  // a delimiter left over from a sequence
                continue
            }
            guard let element = properElement(at: position, encoding) else {
                if have < 12, expectsPixels || isHead(at: position, encoding, after: previous) {
                    return Truncation(tag: nil, bytes: 0, length: nil)
                }
                hasUnusualEnd = true
                throw .data(.badElement, at: position)
            }
            guard element.tag > previous else { throw .data(.badElement, at: position) }
            previous = element.tag
            if element.tag.isContent { expectsPixels = false }
            if Tag.pixels.contains(element.tag), element.isUndefined {
                return try truncationOfFragments(of: element, encoding, frames: frames)
            }
            if element.isUndefined {
                guard let end = try end(of: element, encoding, mayLackDelimiter: !expectsPixels)
                else {
                    return Truncation(
                        tag: element.tag, bytes: UInt64(buffer.limit - element.value), length: nil)
                }
                position = end
            } else {
                let there = buffer.limit - element.value
                if element.length > there {
                    // Only padding is missing.
                    guard element.tag == .dataSetTrailingPadding || lacksOnlyPadByte(element) else {
                        return Truncation(
                            tag: element.tag, bytes: UInt64(max(0, there)),
                            length: UInt64(element.length))
                    }
                    hasUnusualEnd = true
                    return expectsPixels ? Truncation(tag: nil, bytes: 0, length: nil) : nil
                }
                position = element.value + element.length
                if element.length & 1 != 0 { position = afterOdd(element, encoding) }
            }
            if Tag.pixels.contains(element.tag) { return nil }
        }
        return nil  // some headers are kept without their pixels
    }

    /// Whether the eight to eleven bytes that are left begin an element with a long head.
    private func isHead(at position: Int, _ encoding: DataEncoding, after previous: Tag) -> Bool {
        let head = buffer.pointer(position)
        return encoding.tag(at: head) > previous
            && layouts[head.loadUnaligned(fromByteOffset: 4, as: UInt16.self)] == .long
    }

    /// The position after an element of undefined length; `nil` when the file ends before it.
    ///
    /// - Parameter mayLackDelimiter: Whether the file may end after the last item of the element,
    ///   as it may end between two elements.
    private mutating func end(
        of element: Element, _ encoding: DataEncoding, mayLackDelimiter: Bool
    ) throws(Fault) -> Int? {
        let depth = path.count
        do throws(Fault) {
            return try skipItems(of: element, element.itemEncoding(in: encoding), depth: 1)
        } catch {
            guard case .data(let code, _) = error, code == .truncatedDataSet || code == .badLength
            else { throw error }
            guard mayLackDelimiter, endsBetweenItems, path.count == depth + 1,
                let item = path.last?.item, item >= 0
            else { return nil }
            hasUnusualEnd = true
            return buffer.limit
        }
    }
}
