/// Names under which programs write before they rename.
public enum TemporaryName {
    /// Where `rsync --delay-updates` keeps whole files until all have come (rsync(1)).
    private static let delayedUpdates = Array(".~tmp~".utf8)

    /// - parameter path: of a file, names joined with `/`
    public static func matches(path: [UInt8]) -> Bool {
        let names = path.split(separator: UInt8(ascii: "/")).suffix(2).map(Array.init)
        guard let name = names.last else { return false }
        return matches(name, in: names.count == 2 ? names[0] : nil)
    }

    /// - parameters:
    ///   - name: the bytes of a file name
    ///   - folder: the name of the directory that it is in
    public static func matches(_ name: [UInt8], in folder: [UInt8]?) -> Bool {
        folder == delayedUpdates || matches(name)
    }

    /// - parameter name: the bytes of a file name
    private static func matches(_ name: [UInt8]) -> Bool {
        let text = String(decoding: name, as: UTF8.self)
        let lower = text.lowercased()
        // The last is WinSCP's.
        if [".part", ".tmp", ".partial", ".filepart"].contains(where: lower.hasSuffix) {
            return true
        }
        if text.hasPrefix(".~") || text.hasPrefix("~$") { return true }
        // rsync's `.name.XXXXXX`
        guard text.hasPrefix("."), let dot = text.lastIndex(of: "."), dot != text.startIndex else {
            return false
        }
        return text.distance(from: dot, to: text.endIndex) == 7
    }
}
