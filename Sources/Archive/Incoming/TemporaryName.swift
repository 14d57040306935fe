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

    /// In lower case.
    private static let suffixes = [
        // KIO, Firefox and many others; WinSCP; FreeFileSync; rsync of macOS.
        ".part", ".tmp", ".partial", ".filepart", ".ffs_tmp", ".partial~",
        // Chrome and Edge; Opera; Safari; Free Download Manager.
        ".crdownload", ".opdownload", ".download", ".fdmdownload",
        // Resilio Sync and BitTorrent programs; aria2, whose file of the same name grows meanwhile.
        ".!sync", ".!ut", ".!qb", ".bc!", ".aria2",
    ]
    /// In lower case: rclone, Unison and office programs; GLib, so file managers and gedit; lftp.
    private static let prefixes = [".~", "~$", ".goutputstream-", ".in."]

    /// `.name.~1a2b3c`, of the clients of Nextcloud and ownCloud.
    private static func isOfNextcloud(_ lower: String) -> Bool {
        guard lower.hasPrefix("."), let mark = lower.range(of: ".~") else { return false }
        let digits = lower[mark.upperBound...].utf8
        return !digits.isEmpty && digits.count <= 8 && digits.allSatisfy(isHexadecimal)
    }

    /// `name.sb-1a2b3c4d-Ab3dE6`, of macOS.
    private static func isOfSafeSave(_ lower: String) -> Bool {
        guard let mark = lower.range(of: ".sb-") else { return false }
        let parts = lower[mark.upperBound...].split(
            separator: "-", omittingEmptySubsequences: false)
        return parts.count == 2 && parts[0].utf8.count == 8 && parts[1].utf8.count == 6
            && parts[0].utf8.allSatisfy(isHexadecimal)
    }

    /// - Parameter byte: Of a text in lower case.
    private static func isHexadecimal(_ byte: UInt8) -> Bool {
        UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte
            || UInt8(ascii: "a")...UInt8(ascii: "f") ~= byte
    }

    /// - parameter name: the bytes of a file name
    private static func matches(_ name: [UInt8]) -> Bool {
        let text = String(decoding: name, as: UTF8.self)
        let lower = text.lowercased()
        if suffixes.contains(where: lower.hasSuffix) || prefixes.contains(where: lower.hasPrefix) {
            return true
        }
        if isOfNextcloud(lower) || isOfSafeSave(lower) { return true }
        // rsync's `.name.XXXXXX`
        guard text.hasPrefix("."), let dot = text.lastIndex(of: "."), dot != text.startIndex else {
            return false
        }
        return text.distance(from: dot, to: text.endIndex) == 7
    }
}
