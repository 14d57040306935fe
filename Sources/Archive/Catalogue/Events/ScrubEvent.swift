import JSON

/// All copies in one of the 256 folders of a volume were read.
///
/// ```
/// scrub   volume, folder, files, bytes, bad
/// ```
struct ScrubEvent: RecordBody, Equatable {
    /// The ordinal of the volume.
    var volume: Int
    /// The first byte of the digests in it.
    var folder: UInt8
    /// How many copies should be there, and their bytes.
    var files: Int64
    var bytes: Int64
    /// How many of them were bad.
    var bad: Int64

    static let kind = "scrub"

    init(on volume: Int, folder: UInt8, files: Int64, bytes: Int64, bad: Int64) {
        self.volume = volume
        self.folder = folder
        self.files = files
        self.bytes = bytes
        self.bad = bad
    }

    var fields: JSONObject {
        [
            "volume": .int(Int64(volume)),
            "folder": .string((folder < 16 ? "0" : "") + String(folder, radix: 16)),
            "files": .int(files), "bytes": .int(bytes), "bad": .int(bad),
        ]
    }

    init(_ fields: RecordFields) throws(RecordError) {
        volume = try fields.required("volume", \.ordinal)
        folder = try fields.required("folder") { value in
            value.string.flatMap { $0.utf8.count == 2 ? UInt8($0, radix: 16) : nil }
        }
        files = try fields.required("files", \.count)
        bytes = try fields.required("bytes", \.count)
        bad = try fields.required("bad", \.count)
    }
}
