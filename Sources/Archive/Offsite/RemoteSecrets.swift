import Foundation
import JSON
import Offsite
import Storage
import System

/// What rclone has to know to reach a remote, keys included: `ARCHIVE/offsite/NAME.json`, which
/// only its owner can read. It is on the recovery sheet, and never goes to a remote.
///
///     {"format":1,"remote":"b2","id":"…","options":{"type":"b2",…},"path":"bucket/images",
///      "password":"…","salt":"…"}
public struct RemoteSecrets: Hashable, Sendable {
    /// The remote's name.
    public var name: String
    /// The remote's id in the ledger, a UUID.
    public var id: String
    public var location: RemoteLocation
    /// `nil` when nothing is encrypted.
    public var keys: CryptKeys?
    /// The most bytes a second that are taken by who has these in hand; it is not kept.
    var bandwidth: Int64?
    /// When the recovery sheet with these keys was last printed or saved; `nil` when it never was.
    public var sheet: Timestamp?

    public init(name: String, id: String, location: RemoteLocation, keys: CryptKeys?) {
        (self.name, self.id) = (name, id)
        (self.location, self.keys) = (location, keys)
    }

    private static let format: Int64 = 1
    private static let folder = "offsite"

    /// Those of a remote of an archive.
    ///
    /// - Parameters:
    ///   - name: The remote's name.
    ///   - archive: The archive's directory; no process needs to have it open.
    /// - Throws: ``ArchiveError``: `notFound` when there is no such remote.
    public init(_ name: String, of archive: String) throws(ArchiveError) {
        let path = Self.path(of: name, in: archive)
        func error(_ code: ArchiveError.Code, _ what: String, _ cause: (any Error)? = nil)
            -> ArchiveError
        {
            ArchiveError(
                code, what, path: path, cause: cause,
                remedy: "Write it anew from the recovery sheet.")
        }
        guard RemoteConfiguration.isName(name) else {
            throw ArchiveError(.notFound, "There is no remote \"\(name)\".")
        }
        let content: [UInt8]
        do throws(Errno) {
            content = try RegularFile.content(of: path)
        } catch {
            if error.code == ENOENT {
                throw ArchiveError(
                    .notFound, "There is no remote \"\(name)\": it has no keys", path: path)
            }
            throw ArchiveError(
                .file, "The keys of the remote \"\(name)\" cannot be read", path: path,
                cause: error)
        }
        guard let object = try? JSONParser.value(of: content).object,
            object["format"]?.int == Self.format, object["remote"]?.string == name,
            let id = object["id"]?.string, let path = object["path"]?.string,
            let members = object["options"]?.object?.members
        else { throw error(.file, "The keys of the remote \"\(name)\" are not understood") }
        var options: [String: String] = [:]
        for member in members {
            guard let value = member.value.string else {
                throw error(.file, "The keys of the remote \"\(name)\" are not understood")
            }
            options[member.key] = value
        }
        var keys: CryptKeys?
        if let password = object["password"]?.string, let salt = object["salt"]?.string {
            keys = CryptKeys(password: password, salt: salt)
        }
        self.init(
            name: name, id: id, location: RemoteLocation(options: options, path: path), keys: keys)
        sheet = object["sheet"]?.string.flatMap { Timestamp($0) }
    }

    /// Writes them durably; only the owner can read them.
    ///
    /// - Throws: ``ArchiveError`` with code `file`.
    public func write(in archive: String) throws(ArchiveError) {
        var object: JSONObject = [
            "format": .int(Self.format), "remote": .string(name), "id": .string(id),
            "options": .object(
                JSONObject(
                    location.options.sorted { $0.key < $1.key }.map {
                        .init($0.key, .string($0.value))
                    })),
            "path": .string(location.path),
        ]
        if let keys {
            object.append("password", .string(keys.password))
            object.append("salt", .string(keys.salt))
        }
        if let sheet { object.append("sheet", .string("\(sheet)")) }
        let text = JSONWriter.text(of: .object(object)) + "\n"
        do throws(StorageError) {
            try ReplacedFile.writePrivately(
                text.utf8, to: name + ".json", below: Self.folder, in: archive)
        } catch {
            throw ArchiveError(
                .file, "The keys of the remote \"\(name)\" cannot be kept",
                path: Self.path(of: name, in: archive), cause: error,
                remedy: "Make room on the disk of the archive's directory.")
        }
    }

    /// Takes them out of use. They are kept under another name: what lies on the remote cannot be
    /// read without them.
    static func retire(_ name: String, in archive: String, at time: Timestamp) {
        let path = path(of: name, in: archive)
        rename(path, "\(path).removed-\(time)")
    }

    /// Removes those that were never used.
    static func remove(_ name: String, in archive: String) {
        unlink(path(of: name, in: archive))
    }

    private static func path(of name: String, in archive: String) -> String {
        "\(archive)/\(folder)/\(name).json"
    }

    /// How the remote is used.
    ///
    /// - Parameter settings: What `pacsfs.toml` says of it.
    /// - Throws: `OffsiteError` when that makes no sense.
    public func configuration(
        _ settings: Settings.Remote = Settings.Remote()
    ) throws(OffsiteError) -> RemoteConfiguration {
        try RemoteConfiguration(
            name: name, location: location, keys: keys, bandwidth: settings.bandwidth ?? bandwidth,
            hours: settings.hours)
    }
}
