/// Reads the heads of data elements, and steps over values and whole sequences.
///
/// Positions count bytes from the start of the file; in a deflated data set, from the start of
/// the inflated bytes.
struct ElementReader: ~Copyable {
    /// After this many elements that are not as they should be, the rest is not trusted.
    private static let mostUnusualElements = 1024
    /// A malformed element is accepted if another element follows within this many bytes.
    private static let longestLookAhead = 65536

    var buffer = ReadBuffer()
    let layouts = VRLayouts()
    /// The sequences around the element being read, outermost first.
    private(set) var path: [PathStep] = []
    /// The element being read; `nil` before the first.
    var current: Tag?
    private var unusualElements = 0
    /// Whether the bytes ended where the head of an item should be.
    var endsBetweenItems = false
    /// See ``HeaderFlags/unusualEnd``.
    var hasUnusualEnd = false

    init() {
        path.reserveCapacity(HeaderReader.deepestNesting + 1)
    }

    /// Begins with another file.
    mutating func open(_ source: any ByteSource) {
        if !path.isEmpty { path.removeAll(keepingCapacity: true) }
        current = nil
        unusualElements = 0
        endsBetweenItems = false
        hasUnusualEnd = false
        buffer.open(source)
    }

    /// The element being read, with the sequences around it; `nil` before the first.
    var tagPath: String? {
        guard let current else { return nil }
        return path.map { "\($0.sequence)[\(max(0, $0.item))]." }.joined() + current.description
    }

    // MARK: Heads

    /// Reads the head of the element at `position`, of which at least eight bytes must be in
    /// the buffer. The caller compares the length with the bytes that are left.
    @inline(__always)
    mutating func element(at position: Int, _ encoding: DataEncoding) throws(Fault) -> Element {
        let head = buffer.pointer(position)
        let tag = encoding.tag(at: head)
        if !encoding.isExplicit || tag.group == 0xFFFE {
            return Element(
                tag: tag, vr: .none, value: position + 8, length32: encoding.number32(at: head + 4))
        }
        let vr = head.loadUnaligned(fromByteOffset: 4, as: UInt16.self)
        switch layouts[vr] {
        case .short:
            return Element(
                tag: tag, vr: VR(rawValue: vr), value: position + 8,
                length: Int(encoding.number16(at: head + 6)))
        case .long:
            guard buffer.holds(position, 12) else {
                throw .data(.truncatedDataSet, at: position)
            }
            return Element(
                tag: tag, vr: VR(rawValue: vr), value: position + 12,
                length32: encoding.number32(at: head + 8))
        case .unknown:
            return try unusualElement(at: position, tag, encoding)
        }
    }

    /// The head of the element at `position`; `nil` where an explicit encoding has no valid value
    /// representation. Reads nothing.
    func properElement(at position: Int, _ encoding: DataEncoding) -> Element? {
        let head = buffer.pointer(position)
        let tag = encoding.tag(at: head)
        guard encoding.isExplicit else {
            return Element(
                tag: tag, vr: .none, value: position + 8, length32: encoding.number32(at: head + 4))
        }
        let vr = VR(rawValue: head.loadUnaligned(fromByteOffset: 4, as: UInt16.self))
        switch layouts[vr.rawValue] {
        case .unknown: return nil
        case .short:
            return Element(
                tag: tag, vr: vr, value: position + 8,
                length: Int(encoding.number16(at: head + 6)))
        case .long:
            guard buffer.holds(position, 12) else { return nil }
            return Element(
                tag: tag, vr: vr, value: position + 12, length32: encoding.number32(at: head + 8))
        }
    }

    // MARK: Malformed elements

    /// Counts an element that is not as it should be, so that bytes which are not elements at
    /// all are not read to their end.
    mutating func countUnusual(at position: Int) throws(Fault) {
        unusualElements += 1
        guard unusualElements <= Self.mostUnusualElements else {
            throw .data(.badElement, at: position)
        }
    }

    /// Reads an element whose two letters are not a value representation. It may be written in
    /// small letters, be an unknown one with a length of sixteen or thirty-two bits, or be an
    /// implicit element among explicit ones. The reading after which another element follows
    /// is the right one.
    private mutating func unusualElement(
        at position: Int, _ tag: Tag, _ encoding: DataEncoding
    ) throws(Fault) -> Element {
        try countUnusual(at: position)
        let have = try buffer.reach(
            position, min(Self.longestLookAhead + 16, buffer.limit - position))
        let head = buffer.pointer(position)
        let vr = VR(rawValue: head.loadUnaligned(fromByteOffset: 4, as: UInt16.self)).capitalized
        let layout = layouts[vr.rawValue]
        let short = Element(
            tag: tag, vr: vr, value: position + 8, length: Int(encoding.number16(at: head + 6)))
        var candidates: [Element] = []
        if layout == .short { candidates.append(short) }
        if layout != .short, have >= 12, short.length == 0 {
            candidates.append(
                Element(
                    tag: tag, vr: vr, value: position + 12,
                    length32: encoding.number32(at: head + 8)))
        }
        if layout == .unknown {
            candidates.append(short)
            candidates.append(
                Element(
                    tag: tag, vr: .none, value: position + 8,
                    length32: encoding.number32(at: head + 4)))
        }
        for var candidate in candidates where isFollowed(candidate, encoding) {
            if layouts[candidate.vr.rawValue] == .unknown { candidate.vr = .none }
            return candidate
        }
        throw .data(.badElement, at: position)
    }

    /// Whether another element begins where this one ends; for an element of undefined length,
    /// whether an item begins in it.
    func isFollowed(_ element: Element, _ encoding: DataEncoding) -> Bool {
        if element.isUndefined {
            guard buffer.holds(element.value, 8) else { return false }
            let word = buffer.pointer(element.value).loadUnaligned(as: UInt32.self)
            return word == 0xE000_FFFE || word == 0xE0DD_FFFE
        }
        guard element.length <= buffer.limit - element.value else { return false }
        let end = element.value + element.length
        if end == buffer.limit { return true }
        guard buffer.holds(end, 8) else { return element.length > Self.longestLookAhead }
        let next = buffer.pointer(end)
        let tag = encoding.tag(at: next)
        if tag.group == 0xFFFE { return true }
        guard tag > element.tag else { return false }
        let vr = VR(rawValue: next.loadUnaligned(fromByteOffset: 4, as: UInt16.self))
        return layouts[vr.capitalized.rawValue] != .unknown
    }

    /// Position of the next element after one of odd length: right after it, or one byte later
    /// if the writer padded the value without counting the pad byte.
    func afterOdd(_ element: Element, _ encoding: DataEncoding) -> Int {
        let end = element.value + element.length
        guard buffer.holds(end, 13) else { return end }
        func isElement(_ position: Int) -> Bool {
            guard let next = properElement(at: position, encoding) else { return false }
            return next.tag > element.tag && next.length <= buffer.limit - next.value
        }
        return !isElement(end) && isElement(end + 1) ? end + 1 : end
    }

    // MARK: The path to a nested element

    /// Enters a sequence.
    ///
    /// - Parameter depth: How many sequences are entered then; 1 for the first.
    mutating func enter(_ element: Element, _ depth: Int) throws(Fault) {
        guard depth <= HeaderReader.deepestNesting else {
            throw .data(.nestingTooDeep, at: element.value)
        }
        path.append(PathStep(sequence: element.tag, item: -1))
    }

    /// Leaves the innermost sequence.
    mutating func leave(_ element: Element) {
        path.removeLast()
        current = element.tag
    }

    /// Counts an item of the innermost sequence.
    mutating func countItem() {
        path[path.count - 1].item += 1
    }
}

/// A sequence on the way to a nested element.
struct PathStep {
    var sequence: Tag
    /// From 0; -1 before the first item.
    var item: Int
}
