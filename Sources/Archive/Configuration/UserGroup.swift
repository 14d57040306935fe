import Glibc
import TOMLKit

/// A group of users as the configuration names it.
public enum UserGroup: Sendable, Equatable {
    case name(String)
    case number(gid_t)

    /// - Returns: `nil` for an empty text.
    init?(_ text: String) {
        guard !text.isEmpty else { return nil }
        self = gid_t(text).map(UserGroup.number) ?? .name(text)
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

    /// - Parameters:
    ///   - file: The configuration, for the message.
    ///   - setting: The setting that names the group.
    /// - Throws: ``ArchiveError`` when this system has no such group.
    public func number(in file: String, as setting: String) throws(ArchiveError) -> gid_t {
        if let number { return number }
        throw ArchiveError(
            .configuration,
            """
            \(file): \"\(setting)\" names the group \(self), which this system does not know. Make \
            it with \"groupadd --system \(self)\", or name another group or its number.
            """
        )
    }
}

extension UserGroup: CustomStringConvertible {
    public var description: String {
        switch self {
        case .name(let name): name
        case .number(let number): String(number)
        }
    }
}

extension Settings {
    /// - Throws: ``SettingMistake`` when the value of the setting cannot be a group.
    static func group(_ table: TOMLTable, _ name: String) throws -> UserGroup? {
        guard let value = table[name] else { return nil }
        guard
            let group = value.string.flatMap(UserGroup.init)
                ?? value.int.flatMap(gid_t.init(exactly:)).map(UserGroup.number)
        else {
            throw SettingMistake(
                name, "\"\(name)\" must be the name of a group in quotes, or its number.")
        }
        return group
    }

    /// The line that sets a group; a comment when there is none.
    static func setting(_ name: String, _ group: UserGroup?) -> String {
        switch group {
        case nil: "# \(name) = \"GROUP\""
        case .number(let number): "\(name) = \(number)"
        case .name(let text): "\(name) = \(quoted(text))"
        }
    }
}
