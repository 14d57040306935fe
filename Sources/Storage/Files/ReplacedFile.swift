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

extension ReplacedFile {
    /// Replaces a file in a folder that only its owner can enter, durably; the folder is made when
    /// it is not there. Only the owner can read the file.
    ///
    /// - Throws: The error of a system call; the old file is unchanged then.
    public static func writePrivately(
        _ bytes: some Sequence<UInt8>, to name: String, below folder: String, in parent: String
    ) throws(StorageError) {
        try Directory.open(path: parent).openOrMakeDirectory(folder, mode: 0o700)
            .replaceFile(name, with: Array(bytes), mode: 0o600)
    }
}
