import Storage

/// The content of a zip archive by its list, before any of it is unpacked. An archive that cannot
/// be trusted is refused as a whole.
struct ZipSurvey {
    /// More members than the largest studies have images.
    static let mostMembers = 200_000
    /// Limits of a member's path, in bytes and in folders: a longer one could not be shown in
    /// `rejected`.
    static let longestPath = 1_000
    static let mostFolders = 50
    /// From this size on, in bytes, the ratio is checked.
    static let ratioCounts: Int64 = 100 << 20
    /// The most unpacked bytes for each packed one; images rarely shrink to a tenth.
    static let greatestRatio: Int64 = 200

    /// The number of members that are files.
    private(set) var files = 0
    /// The sum of their sizes in bytes.
    private(set) var bytes: Int64 = 0
    /// The size of the zip archive in bytes.
    let packed: Int64
    /// Bytes of images that would fit on empty volumes.
    let capacity: Int64

    /// - Throws: ``ZipError`` when the archive cannot be trusted.
    init(_ reader: ZipReader, _ directory: ZipDirectory, packed: Int64, capacity: Int64) throws {
        self.packed = packed
        self.capacity = capacity
        var members = 0
        while let member = try reader.next() {
            members += 1
            guard members <= Self.mostMembers else {
                throw ZipError.tooLarge("has more than \(Self.mostMembers) members")
            }
            try Self.check(member)
            guard member.kind == .file else { continue }
            files += 1
            bytes = bytes.addingReportingOverflow(max(0, member.bytes)).partialValue
            try requirePlausible(bytes < 0 ? .max : bytes)
        }
        guard members == directory.members else { throw ZipError.holdsMore }
    }

    /// Also called while it is unpacked: the list may be wrong.
    ///
    /// - Parameter bytes: The number of unpacked bytes.
    func requirePlausible(_ bytes: Int64) throws(ZipError) {
        if bytes > Self.ratioCounts, bytes / Self.greatestRatio > packed {
            throw .tooLarge("unpacks to more than \(Self.greatestRatio) times its size")
        }
        if bytes > capacity { throw .tooLarge("unpacks to more than the volumes can hold") }
    }

    private static func check(_ member: ZipReader.Member) throws(ZipError) {
        let path = member.path
        let parts = member.components
        guard path.utf8.count <= longestPath, parts.count <= mostFolders + 1 else {
            throw .refused(
                "\(path.prefix(60))…",
                "has a path of more than \(longestPath) bytes or \(mostFolders) folders")
        }
        // By scalars: with a combining mark after it, each of these is another character.
        let first = path.unicodeScalars.first
        let isDrive = parts.first.map { $0.unicodeScalars.dropFirst().first == ":" } ?? false
        if first == "/" || first == "\\" || isDrive { throw .refused(path, "has an absolute path") }
        if parts.contains("..") { throw .refused(path, "leads out of its folder") }
        if member.isEncrypted { throw .refused(path, "is encrypted, and needs a password") }
        if member.kind == .other { throw .refused(path, "is a link or a device, not a file") }
        if member.kind == .file, parts.isEmpty { throw .refused(path, "has no name") }
    }
}
