/// The names that Windows keeps for devices in every directory, whatever their extension
/// ([Naming Files](https://learn.microsoft.com/windows/win32/fileio/naming-a-file)).
enum DeviceName {
    /// The name, with `_` after its stem if the stem is the name of a device.
    static func avoided(in name: String) -> String {
        guard begins(name) else { return name }
        let dot = name.utf8.firstIndex(of: UInt8(ascii: ".")) ?? name.endIndex
        return name[..<dot] + "_" + name[dot...]
    }

    /// Whether Windows would take the name for a device: the part before the first dot, without
    /// spaces at its end, is the name of a device, in upper or lower case.
    static func begins(_ name: String) -> Bool {
        // Every device begins with one of these letters; most names end the test here.
        guard let first = name.utf8.first, "CcPpAaNnLl".utf8.contains(first) else { return false }
        var stem = name.utf8.prefix { $0 != UInt8(ascii: ".") }
        while stem.last == UInt8(ascii: " ") { stem.removeLast() }
        guard (3...7).contains(stem.count) else { return false }
        let upper = String(Substring(stem)).uppercased()
        switch upper {
        case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$": return true
        default:
            guard upper.hasPrefix("COM") || upper.hasPrefix("LPT") else { return false }
            return "0 1 2 3 4 5 6 7 8 9 ¹ ² ³".split(separator: " ").contains(upper.dropFirst(3))
        }
    }
}
