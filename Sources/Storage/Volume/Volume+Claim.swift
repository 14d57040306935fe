import CLinux
import Glibc
import System

// The directory of an archive has a lock, but a second one may be made for the same volumes
// (`pacsfs init --from` while the old one is in use): two processes would write one ledger.
extension Volume {
    /// Takes the volume for its archive in this process, until ``release()`` or until it is
    /// closed: `flock(2)` on its folder. The kernel releases it when the process ends, however it
    /// ends. On a file system without such locks every claim succeeds.
    ///
    /// - Throws: `inUse` when another has it, naming the process.
    public func claim() throws(StorageError) {
        var holder: pid_t?
        // The kernel's table is not a snapshot: an entry may be missed, or its process be gone.
        for attempt in 0..<20 where holder == nil {
            if attempt > 0 { usleep(1000) }
            guard !tryToLock() else { return }
            holder = self.holder
        }
        throw StorageError(
            .inUse,
            """
            the volume is in use by \(RunningProcess.description(of: holder)), for another \
            directory of its archive
            """,
            path: path, remedy: "Unmount that archive, or end that process, and try again")
    }

    /// - Returns: False when another has the lock.
    private func tryToLock() -> Bool {
        do throws(StorageError) {
            try call({ .lock($0, path) }) { flock(root.number, LOCK_EX | LOCK_NB) }
            return true
        } catch {
            // Any other failure means that the file system has no locks.
            return !error.isLocked
        }
    }

    /// Releases the volume. Unlocked, not only closed: a child process that is just being started
    /// may still have the descriptor for a moment.
    public func release() { flock(root.number, LOCK_UN) }

    /// The process that has the lock. See: 'man 5 proc_locks'
    private var holder: pid_t? {
        guard let own = try? FileFacts(of: root.number) else { return nil }
        let (major, minor) = (
            gnu_dev_major(dev_t(own.device)), gnu_dev_minor(dev_t(own.device))
        )
        // 1: FLOCK  ADVISORY  WRITE 1234 fe:00:5678 0 EOF
        for line in ProcFile.lines(of: "/proc/locks") {
            let words = line.split(whereSeparator: \.isWhitespace)
            guard words.count > 5, words[1] == "FLOCK" else { continue }
            let file = words[5].split(separator: ":")
            guard file.count == 3, UInt32(file[0], radix: 16) == major,
                UInt32(file[1], radix: 16) == minor, UInt64(file[2]) == own.inode
            else { continue }
            return pid_t(words[4])
        }
        return nil
    }
}
