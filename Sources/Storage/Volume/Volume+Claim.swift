import Glibc
import System

// The directory of an archive has a lock, but a second one may be made for the same volumes
// (`pacsfs init --from` while the old one is in use): two processes would write one ledger.
extension Volume {
    /// Takes the volume for its archive in this process, until ``release()`` or until it is
    /// closed: `flock(2)` on its folder. The kernel lets it go when the process ends, however.
    ///
    /// A file system without such locks refuses nobody.
    ///
    /// - Throws: `inUse` when another holds it, naming the process.
    public func claim() throws(StorageError) {
        var holder: pid_t?
        // The kernel's table is not one moment's: an entry may be missed, or its process be gone.
        for attempt in 0..<20 where holder == nil {
            if attempt > 0 { usleep(1000) }
            guard flock(root.number, LOCK_EX | LOCK_NB) != 0, errno == EWOULDBLOCK else { return }
            holder = self.holder
        }
        throw StorageError(
            .inUse,
            "the volume is in use by \(RunningProcess.description(of: holder)), for another directory of its archive",
            path: path, remedy: "Unmount that archive, or end that process, and try again")
    }

    /// Lets the volume go. Unlocked, not only closed: a child process that is just being
    /// started may have the descriptor for a moment still.
    public func release() { flock(root.number, LOCK_UN) }

    /// The process that holds it. See: 'man 5 proc_locks'
    private var holder: pid_t? {
        var status = stat()
        // Not with Foundation, which takes a read that is short for the end of the file (Swift
        // 6.3); the kernel gives out a page at a time.
        guard fstat(root.number, &status) == 0, let table = fopen("/proc/locks", "re") else {
            return nil
        }
        var text: UnsafeMutablePointer<CChar>?
        var room = 0
        defer {
            fclose(table)
            free(text)
        }
        let device = UInt64(status.st_dev)
        let (major, minor) = (
            device >> 8 & 0xfff | device >> 32 & ~0xfff, device & 0xff | device >> 12 & ~0xff
        )
        // 1: FLOCK  ADVISORY  WRITE 1234 fe:00:5678 0 EOF
        while getline(&text, &room, table) > 0, let text {
            let words = String(cString: text).split(whereSeparator: \.isWhitespace)
            guard words.count > 5, words[1] == "FLOCK" else { continue }
            let place = words[5].split(separator: ":")
            guard place.count == 3, UInt64(place[0], radix: 16) == major,
                UInt64(place[1], radix: 16) == minor,
                UInt64(place[2]) == UInt64(status.st_ino)
            else { continue }
            return pid_t(words[4])
        }
        return nil
    }
}
