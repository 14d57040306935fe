import Foundation
import Glibc

/// Small files of the archive's directory that must survive a power cut whole: the old content
/// or the new one, never neither.
enum DurableFile {
    /// Replaces a file in one step, and returns when that is on disk.
    ///
    /// - throws: ``ArchiveError`` with what the system says; the old file is as it was
    static func write(_ data: Data, to path: String) throws(ArchiveError) {
        let temporary = path + ".tmp"
        func failure(_ call: String) -> ArchiveError {
            ArchiveError(.storage, "\(path) cannot be written: \(call): \(String(cString: strerror(errno))).")
        }
        let file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard file >= 0 else { throw failure("open") }
        let isWritten = data.withUnsafeBytes { bytes in
            var done = 0
            while done < bytes.count {
                let count = Glibc.write(file, bytes.baseAddress?.advanced(by: done), bytes.count - done)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { return false }
                done += count
            }
            return fsync(file) == 0
        }
        let problem = isWritten ? nil : failure("write")
        close(file)
        if let problem {
            unlink(temporary)
            throw problem
        }
        guard rename(temporary, path) == 0 else { throw failure("rename") }
        let folder = open((path as NSString).deletingLastPathComponent, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard folder >= 0 else { throw failure("open") }
        defer { close(folder) }
        guard fsync(folder) == 0 || errno == EINVAL else { throw failure("fsync") }
    }
}
