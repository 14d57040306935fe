import Glibc
import System

/// Which file it is on this computer, whatever its name.
public struct FileIdentity: Codable, Hashable, Sendable {
    public var device: UInt64
    public var inode: UInt64

    public init(_ facts: FileFacts) { (device, inode) = (facts.device, facts.inode) }
}

/// A file that `pacsfs import` takes in.
///
/// Seconds or hours pass between the moment it is found and the moment it is opened. Meanwhile its
/// owner may put a link to another's file in its place, and the person who imports may read more
/// than the owner. So it says what was found: nothing else is taken in.
public struct ImportFile: Codable, Sendable {
    /// An argument of the import.
    public struct Root: Codable, Hashable, Sendable {
        /// Absolute. It may be a symbolic link, or lead through some.
        public var path: String
        /// Of the file or folder that it led to.
        public var identity: FileIdentity

        public init(path: String, identity: FileIdentity) {
            (self.path, self.identity) = (path, identity)
        }
    }

    /// Absolute.
    public var path: String
    /// What it is called below `/rejected/<date>` if it is refused.
    public var rejectedPath: String
    /// The argument that it is, or lies below; `nil` when it is its own.
    public var root: Root?
    /// What it was when it was found; `nil` when nobody has looked.
    public var identity: FileIdentity?

    public init(
        path: String, rejectedPath: String, root: Root? = nil, identity: FileIdentity? = nil
    ) {
        (self.path, self.rejectedPath) = (path, rejectedPath)
        (self.root, self.identity) = (root, identity)
    }
}

/// Opens files that were found before.
struct ImportOpener {
    /// Why a file is not taken in, for a person.
    struct Refusal: Error { var reason: String }

    private static let replaced = """
        Something else is in its place now: it was replaced while the import ran. Import it again.
        """

    private var roots: [ImportFile.Root: Result<SharedDescriptor, Refusal>] = [:]
    // Not to wait for the other end of a FIFO that was put in its place.
    private static let flags = O_RDONLY | O_NONBLOCK | O_NOCTTY

    /// Opens a regular file for reading.
    ///
    /// - Throws: ``Refusal`` when it cannot be read, or is not the file that was found.
    mutating func open(_ file: ImportFile) throws(Refusal) -> Descriptor {
        let opened = try descriptor(of: file)
        let facts = try Self.refusing { () throws(Errno) in try FileFacts(of: opened.number) }
        guard facts.isRegular, file.identity.map({ $0 == FileIdentity(facts) }) ?? true else {
            throw Refusal(reason: Self.replaced)
        }
        return opened
    }

    private mutating func descriptor(of file: ImportFile) throws(Refusal) -> Descriptor {
        guard let root = file.root else {
            return try Self.refusing { () throws(Errno) in
                try Descriptor(opening: file.path, Self.flags | O_NOFOLLOW)
            }
        }
        if file.path == root.path {
            return try Self.refusing { () throws(Errno) in
                try Descriptor(opening: file.path, Self.flags)
            }
        }
        // By bytes: a name may begin with a combining character, which Swift joins to the slash.
        let path = file.path.utf8
        let start = root.path == "/" ? root.path : root.path + "/"
        guard path.starts(with: start.utf8) else { throw Refusal(reason: Self.replaced) }
        let relative = String(decoding: path.dropFirst(start.utf8.count), as: UTF8.self)
        let folder = try folder(root)
        return try Self.refusing { () throws(Errno) in
            try Descriptor.beneath(folder.number, relative, Self.flags)
        }
    }

    private mutating func folder(_ root: ImportFile.Root) throws(Refusal) -> SharedDescriptor {
        if let known = roots[root] { return try known.get() }
        let opened = Result { () throws(Refusal) in
            let folder = try Self.refusing { () throws(Errno) in
                SharedDescriptor(try Descriptor(opening: root.path, O_RDONLY | O_DIRECTORY))
            }
            let facts = try Self.refusing { () throws(Errno) in try folder.facts() }
            guard FileIdentity(facts) == root.identity else {
                throw Refusal(reason: Self.replaced)
            }
            return folder
        }
        roots[root] = opened
        return try opened.get()
    }

    private static func refusing<R: ~Copyable>(
        _ body: () throws(Errno) -> R
    ) throws(Refusal) -> R {
        do throws(Errno) {
            return try body()
        } catch {
            throw Refusal(
                reason: error.code == ELOOP
                    ? "\(replaced) (\(error))" : "It cannot be read: \(error).")
        }
    }
}
