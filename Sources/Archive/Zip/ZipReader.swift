import CArchive
import Glibc
import System

/// The members of a zip archive (PKWARE APPNOTE.TXT 6.3), in the order in which they are stored.
/// For one thread.
final class ZipReader {
    /// A member as the central directory describes it.
    struct Member {
        enum Kind { case file, folder, other }

        /// Its name, parts separated by `/`; bytes that are not UTF-8 are shown as U+FFFD.
        var path: String
        var kind: Kind
        /// Its size, bytes; 0 when the zip does not say it.
        var bytes: Int64
        var isEncrypted: Bool

        /// The parts of its name. A `\` separates too, as on Windows; also before a combining
        /// mark, with which it makes one character.
        var components: [Substring] {
            path.unicodeScalars.split { $0 == "/" || $0 == "\\" }.map { Substring($0) }.filter {
                $0 != "."
            }
        }
    }

    private let archive: OpaquePointer
    private let source: Source
    /// The member that was last returned by ``next()``, for messages.
    private var current: String?

    /// Opens the zip archive that an open file holds; the file must not change meanwhile.
    ///
    /// - Throws: ``ZipError`` when it has no central directory that can be read,
    ///   ``ArchiveError`` when the disk fails.
    init(descriptor: Int32, bytes: Int64) throws {
        guard let archive = archive_read_new() else {
            throw ArchiveError(.storage, "There is no memory to read a zip archive.")
        }
        self.archive = archive
        source = Source(descriptor: descriptor, bytes: bytes)
        // Names made by Windows, Linux and macOS are UTF-8 where they are not ASCII; libarchive
        // converts them to the encoding of the thread's locale.
        Self.useUTF8()
        archive_read_support_format_zip_seekable(archive)
        archive_read_set_callback_data(archive, Unmanaged.passUnretained(source).toOpaque())
        archive_read_set_read_callback(archive) { _, data, buffer in
            Source.of(data)?.read(buffer) ?? -1
        }
        archive_read_set_seek_callback(archive) { _, data, offset, whence in
            Source.of(data)?.seek(offset, whence) ?? Int64(ARCHIVE_FATAL)
        }
        archive_read_set_skip_callback(archive) { _, data, count in
            Source.of(data)?.skip(count) ?? 0
        }
        try check(archive_read_open1(archive))
    }

    deinit { archive_read_free(archive) }

    /// Whether a file is a zip archive by its first bytes: those of a member, or of the end of
    /// an empty archive (APPNOTE.TXT 4.3.7, 4.3.16). The preamble of a DICOM file may hold anything
    /// (PS3.10 section 7.1), so a file that is also DICOM does not count.
    static func isZip(descriptor: Int32) -> Bool {
        isZip(ArraySlice((try? FileIO.bytes(descriptor, at: 0, count: 132)) ?? []))
    }

    static func isZip(_ head: ArraySlice<UInt8>) -> Bool {
        let isZip = head.starts(with: [0x50, 0x4B, 3, 4]) || head.starts(with: [0x50, 0x4B, 5, 6])
        return isZip && !head.dropFirst(128).starts(with: "DICM".utf8)
    }

    /// Whether a zip archive has no members: then it begins with the record of its end.
    static func isEmpty(descriptor: Int32) -> Bool {
        (try? FileIO.bytes(descriptor, at: 0, count: 4)) == [0x50, 0x4B, 5, 6]
    }

    /// The next member; `nil` after the last.
    func next() throws -> Member? {
        current = nil
        var entry: OpaquePointer?
        let result = archive_read_next_header(archive, &entry)
        if result == ARCHIVE_EOF { return nil }
        try check(result)
        guard let entry, let name = archive_entry_pathname(entry) else {
            throw ZipError.damaged(nil, "a member has no name that can be read")
        }
        let path = String(cString: name)
        current = path
        let kind: Member.Kind =
            switch archive_entry_filetype(entry) {
            case S_IFREG: .file
            case S_IFDIR: .folder
            default: .other
            }
        return Member(
            path: path, kind: kind,
            bytes: archive_entry_size_is_set(entry) != 0 ? archive_entry_size(entry) : 0,
            isEncrypted: archive_entry_is_encrypted(entry) != 0)
    }

    /// Fills `buffer` with the next bytes of the member.
    ///
    /// - Returns: The number of bytes; 0 at its end, when its checksum was right.
    func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        let count = archive_read_data(archive, buffer.baseAddress, buffer.count)
        guard count >= 0 else {
            try check(Int32(clamping: count), isData: true)
            return 0
        }
        return count
    }

    /// - Parameter isData: Whether a warning is about the bytes that were read.
    private func check(_ result: Int32, isData: Bool = false) throws {
        if result >= (isData ? ARCHIVE_OK : ARCHIVE_WARN) { return }
        if let error = source.error {
            throw ArchiveError(.storage, "A zip archive cannot be read", cause: error)
        }
        throw ZipError.damaged(
            current,
            archive_error_string(archive).map { String(cString: $0) } ?? "for no known reason")
    }

    // Never changed, and never freed.
    private nonisolated(unsafe) static let utf8 = newlocale(1 << LC_CTYPE, "C.UTF-8", nil)

    private static func useUTF8() {
        if let utf8 { uselocale(utf8) }
    }
}

/// An open file as libarchive reads it. Its position is not used: others may move it.
private final class Source {
    private let descriptor: Int32
    private let bytes: Int64
    private var position: Int64 = 0
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 4096)
    /// Why a read failed.
    private(set) var error: Errno?

    init(descriptor: Int32, bytes: Int64) {
        self.descriptor = descriptor
        self.bytes = bytes
    }

    deinit { buffer.deallocate() }

    static func of(_ data: UnsafeMutableRawPointer?) -> Source? {
        data.map { Unmanaged<Source>.fromOpaque($0).takeUnretainedValue() }
    }

    func read(_ target: UnsafeMutablePointer<UnsafeRawPointer?>?) -> Int {
        do throws(Errno) {
            let count = try systemCall {
                pread(descriptor, buffer.baseAddress, buffer.count, off_t(position))
            }
            target?.pointee = UnsafeRawPointer(buffer.baseAddress)
            position += Int64(count)
            return count
        } catch {
            self.error = error
            return -1
        }
    }

    func seek(_ offset: Int64, _ whence: Int32) -> Int64 {
        let base: Int64 =
            switch whence {
            case SEEK_SET: 0
            case SEEK_CUR: position
            default: bytes
            }
        position = max(0, base + offset)
        return position
    }

    func skip(_ count: Int64) -> Int64 {
        let skipped = max(0, min(count, bytes - position))
        position += skipped
        return skipped
    }
}
