import Glibc
import System

/// Whose a file is, and who may read it.
public struct FileAccess: Hashable, Sendable {
    public var owner: UInt32
    public var group: UInt32
    /// Permission bits, without those to execute it.
    public var mode: UInt32

    public init(owner: UInt32, group: UInt32, mode: UInt32) {
        (self.owner, self.group, self.mode) = (owner, group, mode & 0o666)
    }

    public init(_ facts: FileFacts) {
        self.init(owner: facts.owner, group: facts.group, mode: facts.mode)
    }

    public init(_ status: stat) { self.init(FileFacts(status)) }

    /// Gives an open file this access, as far as this process may. Whatever it may not do, nobody
    /// can read the file then who could not before: except its owner, which is this process then.
    ///
    /// - Throws: The error of a call, except on a file system without owners or modes.
    ///
    /// See: 'man 2 fchown', 'man 2 fchmod'
    func give(to file: Int32, path: String) throws(StorageError) {
        do throws(Errno) {
            try systemCall { fchown(file, owner, group) }
        } catch {
            // Not root, or not allowed; perhaps the group at least, if this process is in it.
            _ = fchown(file, uid_t.max, group)
        }
        let now = try FileFacts.of(file, path: path)
        var bits = mode | 0o400
        // Members of another group are others.
        if now.group != group { bits = bits & ~0o060 | (bits & 0o006) << 3 }
        do {
            try call({ .setMode($0, path) }) { fchmod(file, mode_t(bits)) }
        } catch  where error.meansNoModes {
        }
    }
}
