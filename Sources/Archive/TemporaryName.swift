/// Names under which programs write before they rename.
public enum TemporaryName {
    /// - parameter name: the bytes of a file name
    public static func matches(_ name: [UInt8]) -> Bool {
        let text = String(decoding: name, as: UTF8.self)
        let lower = text.lowercased()
        // The last is WinSCP's.
        if [".part", ".tmp", ".partial", ".filepart"].contains(where: lower.hasSuffix) { return true }
        if text.hasPrefix(".~") || text.hasPrefix("~$") { return true }
        // rsync's `.name.XXXXXX`
        guard text.hasPrefix("."), let dot = text.lastIndex(of: "."), dot != text.startIndex else { return false }
        return text.distance(from: dot, to: text.endIndex) == 7
    }
}
