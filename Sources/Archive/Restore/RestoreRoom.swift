import Glibc
import Storage

/// Whether there is room for what is to be restored: better to know before the first image than
/// after a day of them.
enum RestoreRoom {
    /// - Parameters:
    ///   - bytes: Of the images that are to come.
    ///   - copies: How many of each.
    /// - Throws: ``ArchiveError`` with code `noSpace` when they cannot fit, wherever they are put.
    static func require(
        _ bytes: Int64, copies: Int, on volumes: VolumeSet
    ) throws(ArchiveError) {
        // Volumes on one file system share its room.
        var disks: [UInt: (free: Int64, volumes: Int64)] = [:]
        let writable = volumes.writable
        for volume in writable {
            var status = stat()
            guard stat(volume.path, &status) == 0, let free = try? volume.freeSpace() else {
                continue
            }
            let before = disks[UInt(status.st_dev)]?.volumes ?? 0
            disks[UInt(status.st_dev)] = (free, before + 1)
        }
        let wanted = Int64(min(copies, writable.count))
        let room = disks.values.reduce(0) { $0 + min($1.free, $1.volumes * bytes) }
        guard room < wanted * bytes else { return }
        throw missing(
            wanted * bytes, "in \(wanted) \(wanted == 1 ? "copy" : "copies")", room,
            remedy: """
                Make room, or restore to larger disks. Part of it can be had at once in a plain \
                folder: pacsfs restore --into DIR --since DATE
                """)
    }

    /// - Throws: ``ArchiveError`` with code `noSpace` when a folder lacks room for so many bytes.
    static func require(_ bytes: Int64, in folder: String) throws(ArchiveError) {
        guard let free = ArchiveDisk.free(of: folder), free < bytes else { return }
        throw missing(
            bytes, "in \(folder)", free, remedy: "Make room, name another folder, or bring less.")
    }

    private static func missing(
        _ bytes: Int64, _ where: String, _ free: Int64, remedy: String
    ) -> ArchiveError {
        ArchiveError(
            .noSpace,
            """
            There is not enough room: what is to come takes \(Figures.bytes(bytes)) \(`where`), \
            and \(Figures.bytes(free)) are free. Nothing was restored.
            """, remedy: remedy)
    }
}
