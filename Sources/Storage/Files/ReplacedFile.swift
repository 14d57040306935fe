/// Small files outside of volumes that a power cut must not leave half written.
public enum ReplacedFile {
    /// Replaces a file durably: a crash leaves the old content or the new one.
    ///
    /// - Parameter folder: The existing folder of the file.
    /// - Throws: The error of a system call; the old file is unchanged then.
    public static func write(
        _ bytes: some Sequence<UInt8>, to name: String, in folder: String
    ) throws(StorageError) {
        try Directory.open(path: folder).replaceFile(name, with: Array(bytes))
    }
}
