import Glibc

/// Conversion to UTF-8 with iconv(3). Descriptors are opened once and kept.
struct Iconv: ~Copyable {
    private enum State {
        case unopened
        /// This system has no such converter (a reduced libc).
        case unavailable
        case open(iconv_t)
    }
    private var states = [State](repeating: .unopened, count: Converter.allCases.count)

    deinit {
        for case .open(let descriptor) in states { iconv_close(descriptor) }
    }

    /// Appends the text that `source` encodes.
    ///
    /// - Returns: Whether all of it was converted. If not, part of it may have been appended.
    mutating func convert(
        _ source: UnsafeRawBufferPointer, from converter: Converter, to text: inout AttributeText
    ) -> Bool {
        guard let descriptor = descriptor(converter) else { return false }
        guard let first = source.baseAddress, source.count > 0 else { return true }
        _ = iconv(descriptor, nil, nil, nil, nil)
        // iconv only reads its input: its C declaration lacks the const.
        var input: UnsafeMutablePointer<CChar>? = UnsafeMutablePointer(
            mutating: first.assumingMemoryBound(to: CChar.self))
        var inputLeft = source.count
        let most = source.count * 4 + 8  // one byte becomes at most four
        let target = text.space(for: most)
        var output: UnsafeMutablePointer<CChar>? = UnsafeMutableRawPointer(target)
            .assumingMemoryBound(to: CChar.self)
        var outputLeft = most
        let status = iconv(descriptor, &input, &inputLeft, &output, &outputLeft)
        let flushed = iconv(descriptor, nil, nil, &output, &outputLeft)
        text.advance(most - outputLeft)
        return status != -1 && flushed != -1 && inputLeft == 0
    }

    private mutating func descriptor(_ converter: Converter) -> iconv_t? {
        let index = Int(converter.rawValue)
        switch states[index] {
        case .open(let descriptor): return descriptor
        case .unavailable: return nil
        case .unopened:
            let opened = iconv_open("UTF-8", converter.name)
            guard let descriptor = opened, Int(bitPattern: descriptor) != -1 else {
                states[index] = .unavailable
                return nil
            }
            states[index] = .open(descriptor)
            return descriptor
        }
    }
}
