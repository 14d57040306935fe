/// Where a file ends before its data set does, as that of a copy that was broken off.
public struct CutOff: Hashable, Sendable {
    /// The element of the data set in which the bytes end, or with whose head they do; `nil` when
    /// not even its tag is there whole, and in a deflated data set.
    public var tag: Tag?
    /// Bytes of its value that are there.
    public var bytes: UInt64
    /// Bytes that its value should have; `nil` when it has no length, but a delimiter that is missing.
    public var length: UInt64?

    /// Whether it is in the pixels that the file ends.
    public var isInPixels: Bool { tag.map { Tag.pixels.contains($0) } ?? false }
}

extension Tag {
    /// Float, Double Float and plain Pixel Data (PS3.6).
    static let pixels = Tag(0x7FE0, 0x0008)...Tag(0x7FE0, 0x0010)
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
        guard !header.isMediaStorageDirectory, let cut = try cutOff(of: source) else { return (header, nil) }
        header.flags.insert(cut.isInPixels ? .pixelDataTruncated : .truncated)
        return (header, cut)
    }

    /// Walks on from the header that was read last to the pixels, or to the end of a data set that
    /// has none, by the lengths of the elements, and tells whether the file ends before. What
    /// makes no sense, or comes behind the pixels, is not taken for cut off.
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
            case .elements(let position, let encoding): return try walk(from: position, encoding)
            case .deflated(let offset):
                let isWhole = try Inflater(source, from: offset).reachesEnd()
                return isWhole ? nil : CutOff(tag: nil, bytes: 0, length: nil)
            }
        } catch {
            if case .source(let error) = error { throw error }
            return nil
        }
    }

    private mutating func walk(from start: Int, _ encoding: DataEncoding) throws(Fault) -> CutOff? {
        var position = start
        var previous = Tag(rawValue: 0)
        while position < window.limit {
            let have = try window.reach(position, 12)
            if window.bytes(position, min(have, 12)).allSatisfy({ $0 == 0 }) { return nil }  // padding
            guard have >= 8 else { return CutOff(tag: nil, bytes: 0, length: nil) }
            guard let element = properElement(at: position, encoding) else {
                return have < 12 ? CutOff(tag: nil, bytes: 0, length: nil) : nil
            }
            if element.tag.group == 0xFFFE {
                position = element.value  // a delimiter left over from a sequence
                continue
            }
            guard element.tag > previous else { return nil }
            previous = element.tag
            if element.isUndefined {
                guard let end = try end(of: element, encoding) else {
                    return CutOff(tag: element.tag, bytes: UInt64(window.limit - element.value), length: nil)
                }
                position = end
            } else {
                let there = window.limit - element.value
                guard element.length <= there else {
                    return CutOff(tag: element.tag, bytes: UInt64(max(0, there)), length: UInt64(element.length))
                }
                position = element.value + element.length
                if element.length & 1 != 0 { position = afterOdd(element, encoding) }
            }
            if Tag.pixels.contains(element.tag) { return nil }
        }
        return nil
    }

    /// Where an element of undefined length ends; `nil` when the file does before.
    private mutating func end(of element: Element, _ encoding: DataEncoding) throws(Fault) -> Int? {
        let inner = element.vr == .UN ? DataEncoding.implicitLittleEndian : encoding
        do throws(Fault) {
            return try skipItems(of: element, inner, depth: 1)
        } catch {
            guard case .data(let code, _) = error, code == .truncatedDataSet || code == .badLength else { throw error }
            return nil
        }
    }
}
