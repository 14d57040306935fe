import Glibc

extension InspectedVolume {
    /// A folder of the volume's layout, and its permissions.
    public struct Folder: Hashable, Sendable {
        public var name: String
        /// Permission bits.
        public var mode: UInt32
        /// The user id of its owner.
        public var uid: UInt32
    }

    /// The folders of the layout that are there.
    public var folders: [Folder] {
        Volume.Name.layout.sorted().compactMap { name in
            var status = stat()
            guard fstatat(root.number, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else { return nil }
            return Folder(name: name, mode: status.st_mode & 0o7777, uid: status.st_uid)
        }
    }

    /// The time of the last whole record of the archive's ledger here; `nil` when none can be
    /// read.
    public var lastRecordTime: Timestamp? {
        guard case .success(let identity) = identity,
            let ledger = try? root.openDirectory(Volume.Name.ledger),
            let folder = try? ledger.openDirectory(Ledger.site(archive: identity.archive)),
            let last = try? folder.entries().filter({ $0.hasSuffix(".jsonl") }).max()
        else { return nil }
        return Self.lastTime(of: last, in: folder)
    }

    private static func lastTime(of name: String, in folder: borrowing Directory) -> Timestamp? {
        guard let file = try? folder.openFile(name), let size = try? file.facts(path: name).bytes
        else { return nil }
        // A line is a few hundred bytes; one of a series, some thousand.
        let count = min(size, 1 << 18)
        guard let bytes = try? file.bytes(at: size - count, count: Int(count), path: name),
            let end = bytes.lastIndex(of: UInt8(ascii: "\n"))
        else { return nil }
        let start = bytes[..<end].lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
        let key = Array("\"t\":\"".utf8)
        let line = bytes[start..<end]
        guard let place = line.indices.first(where: { line[$0...].starts(with: key) }) else {
            return nil
        }
        return Timestamp(
            String(
                decoding: line[(place + key.count)...].prefix(Timestamp.textBytes), as: UTF8.self))
    }
}
