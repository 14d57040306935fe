import DICOM
import Glibc
import Storage
import System
import TagIndex

/// The extended attributes that the mount shows, all of them read-only.
///
/// See: 'man 7 xattr'
enum ExtendedAttribute {
    /// `user.dicom.<Keyword>`: an indexed attribute of the data set, several values joined with
    /// a backslash (PS3.5, 6.4), in UTF-8.
    static let dicom = "user.dicom."
    /// `user.pacsfs.…`: facts of the archive about the file.
    static let pacsfs = "user.pacsfs."
    /// How far a file of `/incoming` is, in one word for programs; README lists them.
    static let state = pacsfs + "state"
    /// Why a file waits in `/incoming`, or was rejected.
    static let reason = pacsfs + "reason"

    /// The longest value that Linux passes on, bytes: XATTR_SIZE_MAX of limits.h.
    private static let maximumSize = 65_536

    /// All attributes of an image, in a fixed order.
    static func all(of facts: ImageFacts) -> [(name: String, value: String)] {
        var list: [(name: String, value: String)] = facts.attributes.present
            .map { (dicom + $0.0.keyword, $0.1) }
            .filter { !$0.1.isEmpty && $0.1.utf8.count <= maximumSize }
        list.append((pacsfs + "sha256", Digest(bytes: facts.sha256)?.hex ?? ""))
        list.append((pacsfs + "copies", String(facts.copies)))
        if let verified = facts.verified {
            list.append((pacsfs + "verified", Timestamp(nanoseconds: verified).description))
        }
        list.append((pacsfs + "received", Timestamp(nanoseconds: facts.received).description))
        if !facts.source.isEmpty { list.append((pacsfs + "original-path", facts.source)) }
        return list
    }

    /// Whether the name is one that only the archive gives.
    static func isOurs(_ name: String) -> Bool { name.hasPrefix(dicom) || name.hasPrefix(pacsfs) }

    /// The error for a name that a file does not have: ENODATA for one that it could have;
    /// EOPNOTSUPP for `system.`, `security.` and `trusted.`, which no file here has. `ls -l` asks
    /// for access control lists and capabilities until it learns that the file system has none.
    ///
    /// See: 'man 2 getxattr'; gnulib's file-has-acl
    static func absence(of name: String) -> Errno {
        Errno(name.hasPrefix("user.") ? ENODATA : EOPNOTSUPP)
    }
}

/// The extended attributes of the images that were asked for last. `cp -a` asks for the names of
/// all attributes and then for each of them, twice: that takes one look-up, while the index stays
/// the same.
struct RecentAttributes {
    typealias List = [(name: String, value: String)]

    /// How many images are kept: one for each program that copies at the same time.
    private static let limit = 16
    private var entries: [(number: UInt64, generation: Int, list: List)] = []

    /// - Parameter generation: Of the index now.
    func list(of number: UInt64, _ generation: Int) -> List? {
        entries.first { $0.number == number && $0.generation == generation }?.list
    }

    /// - Parameter generation: Of the index before they were read.
    mutating func keep(_ list: List, of number: UInt64, _ generation: Int) {
        entries.removeAll { $0.number == number }
        if entries.count == Self.limit { entries.removeFirst() }
        entries.append((number, generation, list))
    }
}

extension FileSystem {
    /// GETXATTR.
    ///
    /// - Throws: ENODATA or EOPNOTSUPP when the file has no such attribute.
    func extendedAttribute(_ name: String, of number: UInt64) throws(Errno) -> [UInt8] {
        guard ExtendedAttribute.isOurs(name) else { throw ExtendedAttribute.absence(of: name) }
        guard
            let value = try extendedAttributes(of: number).first(where: { $0.name == name })?.value
        else {
            throw Errno(ENODATA)
        }
        return Array(value.utf8)
    }

    /// LISTXATTR: the names, each followed by a zero byte. Those of a file in `/incoming` are not
    /// listed: `rsync -X` would want to remove what the source does not have.
    func extendedAttributeNames(of number: UInt64) throws(Errno) -> [UInt8] {
        if isInIncoming(number) { return [] }
        return try extendedAttributes(of: number).flatMap { $0.name.utf8 + [0] }
    }

    private func extendedAttributes(of number: UInt64) throws(Errno) -> [(
        name: String, value: String
    )] {
        switch try inode(number) {
        case .image(let id):
            let generation = archive.index.generation
            if let recent = recentAttributes.withLock({ $0.list(of: number, generation) }) {
                return recent
            }
            guard let facts = try Errno.from({ try archive.index.read { try $0.facts(id) } }) else {
                throw Errno(ESTALE)
            }
            let all = ExtendedAttribute.all(of: facts)
            recentAttributes.withLock { $0.keep(all, of: number, generation) }
            return all
        case .tree(let tree):
            return try tree.extendedAttributes(of: number)
        default: return []
        }
    }

    /// The error of SETXATTR and REMOVEXATTR: EPERM for our names, whose values are facts; EROFS in
    /// the views; ENOTSUP in `/incoming`, as on a file system without attributes.
    ///
    /// - Returns: `nil` for our names in `/incoming`: a copy of an image brings them along, and its
    ///   own are read from the image.
    func refusal(ofAttribute name: String, of number: UInt64) -> Errno? {
        if isInIncoming(number) {
            return ExtendedAttribute.isOurs(name) ? nil : Errno(ENOTSUP)
        }
        return Errno(ExtendedAttribute.isOurs(name) ? EPERM : EROFS)
    }

    private func isInIncoming(_ number: UInt64) -> Bool {
        if case .tree(let tree) = try? inode(number) { tree is IncomingTree } else { false }
    }
}
