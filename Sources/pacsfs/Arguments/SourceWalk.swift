import Archive
import Glibc
import System

/// A walk through everything below a folder that belongs to somebody else, who may change it
/// meanwhile. It never leaves the folder, follows no link, does not recurse, and has two folders
/// open at most.
struct SourceWalk {
    struct Entry {
        enum Found {
            /// A regular file, as it was when it was looked at.
            case file(FileFacts)
            /// A file or folder that cannot be read, and why.
            case unreadable(String)
            /// A symbolic link, which is not followed.
            case link
        }

        /// Below the root of the walk.
        var path: String
        var found: Found
    }

    private struct Level {
        var name: String
        var identity: FileIdentity
        /// Names that the walk has not come to yet, the next one at the end.
        var remaining: [[UInt8]]
    }

    private let root: SharedDescriptor
    private var folder: SharedDescriptor
    /// From the root, which has no name, to the folder that is open.
    private var levels: [Level]
    /// The path of the folder that is open, ending in `/`; empty for the root.
    private var prefix: [UInt8] = []

    /// - Parameter directory: A descriptor of the root, of any kind. It is not needed afterwards.
    /// - Throws: The ``Errno`` when it cannot be read.
    init(_ directory: Int32) throws(Errno) {
        root = SharedDescriptor(
            try Descriptor(opening: ".", at: directory, O_RDONLY | O_DIRECTORY))
        folder = root
        levels = [try Self.level("", root)]
    }

    private static func level(
        _ name: String, _ folder: SharedDescriptor
    ) throws(Errno) -> Level {
        let names = try DirectoryEntry.names(in: folder.number)
            .map { (bytes: $0, text: String(decoding: $0, as: UTF8.self)) }
            .sorted { $0.text > $1.text }
        return Level(
            name: name, identity: FileIdentity(try folder.facts()), remaining: names.map(\.bytes))
    }

    /// The next file, or what cannot be read.
    mutating func next() -> Entry? {
        while !levels.isEmpty {
            guard let name = levels[levels.count - 1].remaining.popLast() else {
                if let problem = goUp() { return problem }
                continue
            }
            if let entry = look(at: name) { return entry }
        }
        return nil
    }

    /// - Returns: `nil` for a folder, which the walk goes into, and for devices, pipes and sockets.
    private mutating func look(at bytes: [UInt8]) -> Entry? {
        let name = String(decoding: bytes, as: UTF8.self)
        func unreadable(_ reason: String) -> Entry {
            Entry(path: String(decoding: prefix + bytes, as: UTF8.self), found: .unreadable(reason))
        }
        guard name.utf8.elementsEqual(bytes) else {
            // A message to the daemon cannot carry it.
            return unreadable("Its name is not UTF-8. Copy it into incoming instead.")
        }
        do throws(Errno) {
            guard let facts = try FileFacts.of(bytes, in: folder.number) else { return nil }
            if facts.isRegular {
                return Entry(
                    path: String(decoding: prefix + bytes, as: UTF8.self), found: .file(facts))
            }
            if facts.isLink {
                return Entry(
                    path: String(decoding: prefix + bytes, as: UTF8.self), found: .link)
            }
            if facts.isDirectory {
                let child = SharedDescriptor(
                    try Descriptor(
                        opening: name, at: folder.number, O_RDONLY | O_DIRECTORY | O_NOFOLLOW))
                levels.append(try Self.level(name, child))
                folder = child
                prefix += bytes + [UInt8(ascii: "/")]
            }
            return nil
        } catch {
            return unreadable("It cannot be read: \(error).")
        }
    }

    /// Goes on in the folder above, whatever has been moved meanwhile.
    ///
    /// - Returns: What cannot be read any more.
    private mutating func goUp() -> Entry? {
        let left = levels.removeLast()
        guard let parent = levels.last else { return nil }
        prefix.removeLast(left.name.utf8.count + 1)
        if levels.count == 1 {
            folder = root
            return nil
        }
        if let above = try? Descriptor(opening: "..", at: folder.number, O_RDONLY | O_DIRECTORY) {
            folder = SharedDescriptor(above)
            if isOpen(parent) { return nil }
        }
        let path = String(decoding: prefix.dropLast(), as: UTF8.self)
        if let same = try? Descriptor.beneath(root.number, path, O_RDONLY | O_DIRECTORY) {
            folder = SharedDescriptor(same)
            if isOpen(parent) { return nil }
        }
        // What is left in it is given up, and the walk goes on above it.
        levels[levels.count - 1].remaining = []
        return Entry(
            path: path,
            found: .unreadable("It was moved while it was looked through. Import it again."))
    }

    private func isOpen(_ level: Level) -> Bool {
        (try? folder.facts()).map { FileIdentity($0) == level.identity } ?? false
    }
}
