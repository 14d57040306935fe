/// Where a file ends before its data set does, as that of a copy that was broken off.
public struct CutOff: Hashable, Sendable {
    /// The element of the data set in which the bytes end, or with whose head they do; `nil` when
    /// not even its tag is there whole, and in a deflated data set.
    public var tag: Tag?
    /// Bytes of its value that are there.
    public var bytes: UInt64
    /// Bytes that its value should have; `nil` when it has no length, but a delimiter that is missing.
    public var length: UInt64?
    /// Whether nothing but zeros is where the pixels of an image should be, as behind the last bytes
    /// that a file system wrote before a crash.
    public var lacksPixels = false

    /// Whether it is in the pixels that the file ends.
    public var isInPixels: Bool { tag.map { Tag.pixels.contains($0) } ?? false }

    fileprivate static let withoutPixels = CutOff(
        tag: nil, bytes: 0, length: nil, lacksPixels: true)
}

extension Tag {
    /// Float, Double Float and plain Pixel Data (PS3.6).
    static let pixels = Tag(0x7FE0, 0x0008)...Tag(0x7FE0, 0x0010)

    /// Whether it holds what the image is made of: pixels, or where they are, or what other kinds of
    /// objects have in their place (waveforms, spectra, enclosed documents, private data).
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
    /// Reads the header of one file, and tells whether the file ends before its data set does; the
    /// flags of the header do, too.
    ///
    /// - Throws: As ``read(_:)``.
    public mutating func readUpToPixels(
        _ source: some ByteSource
    ) throws(ReadError) -> (header: HeaderAttributes, cutOff: CutOff?) {
        var header = try read(source)
        guard !header.isMediaStorageDirectory, let cut = try cutOff(of: source) else {
            return (header, nil)
        }
        header.flags.insert(cut.isInPixels ? .pixelDataTruncated : .truncated)
        return (header, cut)
    }

    /// Walks on from the header that was read last to the pixels, or to the end of a data set that
    /// has none, by the lengths of the elements, and tells whether the file ends before. What
    /// makes no sense, or comes behind the pixels, is not taken for cut off; nor is a file that ends
    /// between two elements, for there are headers that are kept without their pixels.
    ///
    /// - Parameter source: The file whose header ``read(_:)`` has returned last.
    /// - Throws: `ReadError` with code `io` when the source fails.
    public mutating func cutOff(of source: some ByteSource) throws(ReadError) -> CutOff? {
        guard let rest else { return cut }
        self.rest = nil
        window.open(source)
        defer { window.close() }
        do throws(Fault) {
            switch rest {
            case .elements(let position, let encoding):
                return try walkOrFail(from: position, encoding)
            case .deflated(let offset):
                let isWhole = try Inflater(source, from: offset).reachesEnd()
                return isWhole ? nil : CutOff(tag: nil, bytes: 0, length: nil)
            }
        } catch {
            if case .source(let error) = error { throw error }
            return nil
        }
    }

    /// Whether the data set is an image by what was read of it: it has Rows and Columns, which the
    /// Image Pixel module gives together with the pixels (PS3.3 section C.7.6.3). Private kinds of
    /// objects have them for other ends, too.
    private var isImage: Bool {
        guard text.hasValue(.rows), text.hasValue(.columns) else { return false }
        return !text.hasValue(.sopClassUID)
            || text.withText(.sopClassUID) { $0.starts(with: "1.2.840.10008.".utf8) }
    }

    /// Walks, and takes zeros for what was not written where no element is.
    private mutating func walkOrFail(from start: Int, _ encoding: DataEncoding) throws(Fault)
        -> CutOff?
    {
        do throws(Fault) {
            return try walk(from: start, encoding)
        } catch {
            guard case .data(_, let position) = error, isImage else { throw error }
            return try isFollowedByZeros(position) ? .withoutPixels : nil
        }
    }

    /// Whether nothing but zeros comes behind an element that makes no sense: its head was cut off.
    private mutating func isFollowedByZeros(_ position: Int) throws(Fault) -> Bool {
        let have = min(try window.reach(position, 76), 76)
        return have > 12 && window.bytes(position + 12, have - 12).allSatisfy { $0 == 0 }
    }

    private mutating func walk(from start: Int, _ encoding: DataEncoding) throws(Fault) -> CutOff? {
        var position = start
        var previous = Tag(rawValue: 0)
        var expectsPixels = isImage
        while position < window.limit {
            let have = try window.reach(position, 12)
            // Padding, or bytes that never were written.
            if window.bytes(position, min(have, 12)).allSatisfy({ $0 == 0 }) {
                return expectsPixels ? .withoutPixels : nil
            }
            // Too few for an element: some programs leave a line feed at the end.
            guard have >= 8 else {
                return expectsPixels ? CutOff(tag: nil, bytes: 0, length: nil) : nil
            }
            guard let element = properElement(at: position, encoding) else {
                if have < 12 { return CutOff(tag: nil, bytes: 0, length: nil) }
                throw .data(.badElement, at: position)
            }
            if element.tag.group == 0xFFFE {
                position = element.value  // a delimiter left over from a sequence
                continue
            }
            guard element.tag > previous else { throw .data(.badElement, at: position) }
            previous = element.tag
            if element.tag.isContent { expectsPixels = false }
            if element.isUndefined {
                guard let end = try end(of: element, encoding) else {
                    return CutOff(
                        tag: element.tag, bytes: UInt64(window.limit - element.value), length: nil)
                }
                position = end
            } else {
                let there = window.limit - element.value
                // Some programs count the pad byte of pixels and do not write it.
                let isPadMissing =
                    Tag.pixels.contains(element.tag) && element.length & 1 == 0
                    && element.length - there == 1
                guard element.length <= there || isPadMissing else {
                    return CutOff(
                        tag: element.tag, bytes: UInt64(max(0, there)),
                        length: UInt64(element.length))
                }
                position = element.value + element.length
                if element.length & 1 != 0 { position = afterOdd(element, encoding) }
            }
            if Tag.pixels.contains(element.tag) { return nil }
        }
        return nil  // headers are kept without their pixels, too
    }

    /// Where an element of undefined length ends; `nil` when the file does before.
    private mutating func end(of element: Element, _ encoding: DataEncoding) throws(Fault) -> Int? {
        let inner = element.vr == .UN ? DataEncoding.implicitLittleEndian : encoding
        do throws(Fault) {
            return try skipItems(of: element, inner, depth: 1)
        } catch {
            guard case .data(let code, _) = error, code == .truncatedDataSet || code == .badLength
            else { throw error }
            return nil
        }
    }
}
