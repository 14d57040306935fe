extension PortableName {
    /// `name` when it is free; otherwise with as much of `tag`, from four characters up, as
    /// makes it so. `tag` is hexadecimal and differs between all that can ask for `name`.
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
    /// Hexadecimal digits of `text`'s hash.
    public static func hex(_ text: String) -> String { FNV1a.digits(of: text) }
}
