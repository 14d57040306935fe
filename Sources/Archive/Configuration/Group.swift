import Glibc
import TOMLKit

/// A group of users, as the configuration names it.
public enum Group: Sendable, Equatable {
    case name(String)
    case number(gid_t)

    /// - returns: `nil` for an empty text
    init?(_ text: String) {
        guard !text.isEmpty else { return nil }
        self = gid_t(text).map(Group.number) ?? .name(text)
    }

    /// Its number on this system; `nil` when there is no group of that name.
    ///
    /// See: 'man 3 getgrnam_r'
    public var number: gid_t? {
        switch self {
        case .number(let number): return number
        case .name(let name):
            var entry = group()
            var found: UnsafeMutablePointer<group>?
            var buffer = [CChar](repeating: 0, count: 1024)
            while getgrnam_r(name, &entry, &buffer, buffer.count, &found) == ERANGE,
                buffer.count < 1 << 24
            {
                buffer = [CChar](repeating: 0, count: buffer.count * 4)
            }
            return found?.pointee.gr_gid
        }
    }

    /// - parameters:
    ///   - file: the configuration, for the message
    ///   - setting: what names it there
    /// - throws: ``ArchiveError`` when this system has no such group
    public func number(in file: String, as setting: String) throws(ArchiveError) -> gid_t {
        if let number { return number }
        throw ArchiveError(
            .configuration,
            "\(file): «\(setting)» names the group \(self), which this system does not know. Make it with «groupadd --system \(self)», or name another group or its number."
        )
    }
}

extension Group: CustomStringConvertible {
    public var description: String {
        switch self {
        case .name(let name): name
        case .number(let number): String(number)
        }
    }
}

extension Settings {
    /// - throws: ``SettingMistake`` when the setting is there and can be no group
    static func group(_ table: TOMLTable, _ name: String) throws -> Group? {
        guard let value = table[name] else { return nil }
        guard
            let group = value.string.flatMap(Group.init)
                ?? value.int.flatMap(gid_t.init(exactly:)).map(Group.number)
        else {
            throw SettingMistake(
                name, "«\(name)» must be the name of a group in quotes, or its number.")
        }
        return group
    }

    /// The line that sets a group, as a comment when there is none.
    static func setting(_ name: String, _ group: Group?) -> String {
        switch group {
        case nil: "# \(name) = \"GROUP\""
        case .number(let number): "\(name) = \(number)"
        case .name(let text): "\(name) = \(quoted(text))"
        }
    }
}
