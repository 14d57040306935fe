import CArchive

/// Zip archives as libarchive writes them.
public enum ZipWriter {
    /// - parameters:
    ///   - members: names and contents, in their order; a name that ends in `/` is a folder
    ///   - stored: not compressed, so that a test can damage a member's bytes
    ///   - password: encrypts the members
    public static func zip(
        _ members: [(String, [UInt8])], stored: Bool = false, password: String? = nil
    ) -> [UInt8] {
        var used = 0
        var buffer = [UInt8](
            repeating: 0,
            count: members.reduce(65536) { $0 + $1.1.count + 2 * $1.0.utf8.count + 512 })
        buffer.withUnsafeMutableBytes { buffer in
            let archive = archive_write_new()
            defer { archive_write_free(archive) }
            archive_write_set_format_zip(archive)
            archive_write_add_filter_none(archive)
            archive_write_set_format_option(
                archive, "zip", "compression", stored ? "store" : "deflate")
            if let password {
                archive_write_set_format_option(archive, "zip", "encryption", "zipcrypt")
                archive_write_set_passphrase(archive, password)
            }
            archive_write_open_memory(archive, buffer.baseAddress, buffer.count, &used)
            for (name, bytes) in members {
                let entry = archive_entry_new()
                defer { archive_entry_free(entry) }
                archive_entry_set_pathname(entry, name)
                archive_entry_set_filetype(
                    entry, name.hasSuffix("/") ? UInt32(S_IFDIR) : UInt32(S_IFREG))
                archive_entry_set_perm(entry, 0o644)
                archive_entry_set_size(entry, Int64(bytes.count))
                archive_write_header(archive, entry)
                _ = bytes.withUnsafeBytes { archive_write_data(archive, $0.baseAddress, $0.count) }
            }
            archive_write_close(archive)
        }
        return Array(buffer.prefix(used))
    }
}
