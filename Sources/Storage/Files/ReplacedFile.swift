/// Small files outside of volumes that must survive a power cut whole.
public enum ReplacedFile {
    /// Replaces a file durably: a crash leaves the old content or the new one.
    ///
    /// - Parameter folder: The folder it is in; it must be there.
    /// - Throws: The error of a system call; the old file is unchanged then.
    public static func write(
        _ bytes: some Sequence<UInt8>, to name: String, in folder: String
    ) throws(StorageError) {
        try Directory.open(path: folder).replaceFile(name, with: Array(bytes))
    }
}
