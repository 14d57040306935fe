/// How far bytes make sense as elements in an encoding.
private struct Chain {
    var elements = 0
    /// The last bytes examined make no sense.
    var isBroken = false
    /// Everything was examined: up to the end of the file or to a sequence.
    var isComplete = false
}

// The bytes decide how a data set is encoded, where the Transfer Syntax UID is missing or wrong.
extension ElementReader {
    /// Whether the element at `position` looks as it should in an encoding. This quick look is
    /// enough for correct files.
    func fits(_ encoding: DataEncoding, at position: Int) -> Bool {
        let head = buffer.pointer(position)
        let group = encoding.number16(at: head)
        let layout = layouts[head.loadUnaligned(fromByteOffset: 4, as: UInt16.self)]
        return (0x0001...0x00FF).contains(group) && (layout != .unknown) == encoding.isExplicit
    }

    /// The encoding in which the first elements make sense; `nil` when there is none.
    mutating func detectEncoding(at position: Int) throws(Fault) -> DataEncoding? {
        _ = try buffer.reach(position, 1024)
        for encoding in [DataEncoding.explicitLittleEndian, .explicitBigEndian] {
            let chain = chain(from: position, encoding)
            if chain.elements >= 3 || chain.elements >= 1 && !chain.isBroken { return encoding }
        }
        for encoding in [DataEncoding.implicitLittleEndian, .implicitBigEndian] {
            let chain = chain(from: position, encoding)
            if !chain.isBroken && (chain.elements >= 3 || chain.elements >= 1 && chain.isComplete) {
                return encoding
            }
        }
        return nil
    }

    /// Follows up to eight elements from `start`, of those that are in the buffer.
    private func chain(from start: Int, _ encoding: DataEncoding) -> Chain {
        var chain = Chain()
        var position = start
        var previous = Tag(rawValue: 0)
        while chain.elements < 8 {
            if position == buffer.limit {
                chain.isComplete = true
                break
            }
            guard buffer.holds(position, 8) else {
                chain.isBroken = position + 8 > buffer.limit
                break
            }
            guard let element = properElement(at: position, encoding),
                chain.elements == 0 ? element.tag.group <= 0x0028 : element.tag > previous,
                element.tag.group > 0, element.tag.group <= 0x7FE0
            else {
                chain.isBroken = true
                break
            }
            if element.isUndefined {
                guard buffer.holds(element.value, 4) else { break }
                let word = buffer.pointer(element.value).loadUnaligned(as: UInt32.self)
                let isItem = [0xE000_FFFE, 0xE0DD_FFFE, 0xFFFE_E000, 0xFFFE_E0DD].contains(
                    encoding.isBigEndian ? word.byteSwapped : word)
                chain.isBroken = !isItem
                chain.isComplete = isItem
                chain.elements += isItem ? 1 : 0
                break
            }
            guard element.length <= buffer.limit - element.value else {
                chain.isBroken = true
                break
            }
            chain.elements += 1
            previous = element.tag
            position = element.value + element.length
        }
        return chain
    }
}
