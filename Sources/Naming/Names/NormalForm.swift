import Foundation

extension String {
    /// The text in Unicode normal form C (UAX #15).
    ///
    /// It is decomposed first: Foundation leaves some marks in the wrong order if it composes a
    /// text that is not yet ordered, such as U+0331 U+0F75.
    var normalFormC: String {
        // Below U+0300 nothing composes or decomposes any further.
        if unicodeScalars.allSatisfy({ $0.value < 0x300 }) { return self }
        return decomposedStringWithCanonicalMapping.precomposedStringWithCanonicalMapping
    }
}
