import JSON

/// The identity of a volume: the content of `pacsfs-volume.json`. Without it nothing is written
/// to a folder.
public struct VolumeIdentity: Codable, Hashable, Sendable {
    /// The version of the layout below the volume; this program writes and reads 1.
    public var format: Int
    /// The archive it belongs to, a UUID.
    public var archive: String
    /// The volume itself, a UUID.
    public var volume: String
    /// 1, 2, … in the order in which volumes were added to the archive, never used again.
    public var ordinal: Int
    /// The failure domain: volumes of the same domain may fail together.
    public var domain: String
    /// When it was made, as ``Timestamp`` writes it.
    public var created: String

    /// The version of the layout that this program writes.
    public static let currentFormat = 1

    /// What to do about a damaged identity file.
    static let remedy =
        """
        Check the disk with smartctl. Copy the file from a backup, or put an empty folder in the \
        place of the volume: pacsfs volume replace VOLUME NEW-DIR
        """

    /// Names a new volume, with a random id and the present time.
    public init(archive: String, ordinal: Int, domain: String) {
        format = Self.currentFormat
        self.archive = archive
        volume = Self.randomIdentifier()
        self.ordinal = ordinal
        self.domain = domain
        created = Timestamp.now().description
    }

    /// A random UUID (RFC 9562, version 4) in lower case, for an archive or a volume.
    public static func randomIdentifier() -> String {
        let high = UInt64.random(in: .min ... .max) & ~0xf000 | 0x4000
        let low = UInt64.random(in: .min ... .max) & ~(3 << 62) | 2 << 62
        func hex(_ value: UInt64, _ digits: Int) -> String {
            let text = String(value, radix: 16)
            return String(repeating: "0", count: digits - text.count) + text
        }
        return [
            hex(high >> 32, 8), hex(high >> 16 & 0xffff, 4), hex(high & 0xffff, 4),
            hex(low >> 48, 4), hex(low & 0xffff_ffff_ffff, 12),
        ].joined(separator: "-")
    }
}

extension VolumeIdentity {
    /// The identity file: one key a line, for people to read.
    var fileContent: [UInt8] {
        let members: [(String, JSONValue)] = [
            ("format", .int(Int64(format))), ("archive", .string(archive)),
            ("volume", .string(volume)), ("ordinal", .int(Int64(ordinal))),
            ("domain", .string(domain)), ("created", .string(created)),
        ]
        var writer = JSONWriter()
        writer.raw("{\n")
        for (index, member) in members.enumerated() {
            writer.raw("  ")
            writer.write(member.0)
            writer.raw(": ")
            writer.write(member.1)
            index < members.count - 1 ? writer.raw(",\n") : writer.raw("\n")
        }
        writer.raw("}\n")
        return writer.bytes
    }

    /// Reads an identity file.
    ///
    /// - Throws: `corrupt` when it is none, `newerFormat` when a newer pacsfs wrote it.
    init(fileContent: [UInt8], path: String) throws(StorageError) {
        func damaged(_ why: String) -> StorageError {
            StorageError(
                .corrupt, "the identity file is damaged: \(why)", path: path,
                remedy: Self.remedy)
        }
        let object: JSONObject
        do throws(JSONError) {
            guard let value = try JSONParser.value(of: fileContent).object else {
                throw JSONError(offset: 0, reason: "it is not a JSON object")
            }
            object = value
        } catch {
            throw damaged("\(error.reason) at byte \(error.offset)")
        }
        func string(_ key: String) throws(StorageError) -> String {
            guard let text = object[key]?.string, !text.isEmpty else {
                throw damaged("\"\(key)\" is missing")
            }
            return text
        }
        guard let format = object["format"]?.int, format > 0 else {
            throw damaged("\"format\" is missing")
        }
        guard format <= Self.currentFormat else {
            throw StorageError(
                .newerFormat,
                "the volume has format \(format), this pacsfs knows up to \(Self.currentFormat)",
                path: path, remedy: "Update pacsfs")
        }
        guard let ordinal = object["ordinal"]?.int, ordinal > 0, ordinal < Int32.max else {
            throw damaged("\"ordinal\" is missing")
        }
        self.format = Int(format)
        archive = try string("archive")
        volume = try string("volume")
        self.ordinal = Int(ordinal)
        domain = try string("domain")
        created = try string("created")
    }
}
