/// The 64-bit FNV-1a hash of Fowler, Noll and Vo. Unlike `Hasher` it is the same on every machine
/// and in every version. It only makes names different; it is not for security.
enum FNV1a {
    /// Eight hexadecimal digits of the hash of a text.
    static func digits(of text: String) -> String {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in text.utf8 {
            hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3
        }
        let digits = String(UInt32(truncatingIfNeeded: hash ^ (hash >> 32)), radix: 16)
        return String(repeating: "0", count: 8 - digits.count) + digits
    }
}
