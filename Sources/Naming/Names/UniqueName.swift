extension PortableName {
    /// The name if it is free, otherwise the name with as much of a tag as makes it free.
    ///
    /// - Parameters:
    ///   - name: The name wanted.
    ///   - tag: Hexadecimal digits, different for everything that can want `name`. At least four
    ///     are used.
    ///   - isFree: Whether nothing has a name yet.
    /// - Throws: The errors of `isFree`.
    public static func firstFree(
        _ name: String, tag: String, isFree: (String) throws -> Bool
    ) rethrows -> String {
        if try isFree(name) { return name }
        for length in stride(from: 4, through: tag.count, by: 4) {
            let candidate = suffixed(name, with: String(tag.prefix(length)))
            if try isFree(candidate) { return candidate }
        }
        var number = 2
        while true {
            let candidate = suffixed(name, with: "\(tag)-\(number)")
            if try isFree(candidate) { return candidate }
            number += 1
        }
    }
}

/// A hash that is the same on every machine and in every version.
public enum StableHash {
    /// Eight hexadecimal digits of the hash of a text.
    public static func hex(_ text: String) -> String { FNV1a.digits(of: text) }
}
