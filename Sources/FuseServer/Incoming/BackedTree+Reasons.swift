import Archive
import Glibc
import Storage
import System

extension BackedTree {
    /// Why a file is still in `/incoming`, or why it lies in `/rejected`: one or more sentences
    /// for a person, without a line break at the end. It is what `user.pacsfs.reason` says.
    ///
    /// - returns: `nil` for a folder, for a file that is archived, and for the reasons themselves
    /// - throws: ESTALE for a number that was never given or has been forgotten
    func reason(of number: UInt64) throws(Errno) -> String? {
        switch kind {
        case .incoming: try locked { () throws(Errno) in try pendingReason(of: node(number)) }
        case .rejected: try rejectedReason(of: number)
        }
    }

    // MARK: incoming (inside the lock)

    private func pendingReason(of node: BackedNode) throws(Errno) -> String? {
        guard let file = node.file, !node.isRemoved else { return nil }
        let state = file.state.withLock {
            ($0.status, $0.handles, $0.isChanged, $0.failure?.error, $0.unpacking)
        }
        let (status, handles, isChanged, failure, unpacking) = state
        if let failure {
            return
                "Will be set aside: it could not be written whole (\(String(cString: strerror(failure.code)))). Copy the original again."
        }
        switch status {
        case .archived, .served: return nil
        case .archiving:
            guard let unpacking else { return "On its way into the archive." }
            guard let (done, files) = unpacking.progress else {
                return "Waiting to be unpacked: others are before it."
            }
            return "Being unpacked: \(done) of \(files) files."
        case .refused(let reason): return "Will be set aside: \(reason)"
        case .failed(let error):
            let (lastUse, pause) = file.state.withLock { ($0.lastUse, $0.failures.pause) }
            let left = max(0, lastUse + pause - monotonicNow()) / 1_000_000_000
            return "Not stored: \(error) It is tried again in \(left) s."
        case .new:
            if archive.settings.ignores(node.name) {
                return "Goes quietly: its name is on the list «ignore» of pacsfs.toml."
            }
            if node.isTemporary {
                return "Waiting: written under a temporary name, archived when it is renamed."
            }
            if handles > 0 {
                return "Waiting: it is open, and archived when whoever writes it closes it."
            }
            if try attributes(of: node).st_size == 0 {
                return "Will be set aside: it is empty (0 bytes)."
            }
            return isChanged ? "Waiting: it was not closed yet." : nil
        }
    }

    // MARK: rejected

    /// A reason is a few sentences; what is longer was not written by us.
    private static let longestReason = 16_384

    private func rejectedReason(of number: UInt64) throws(Errno) -> String? {
        let path = try locked { () throws(Errno) -> [UInt8]? in
            let node = try node(number)
            return node.isDirectory || node.isRemoved ? nil : node.path
        }
        guard let path, !RejectedFolder.isReason(path) else { return nil }
        let file: SharedDescriptor
        do {
            file = try SharedDescriptor(
                at: directory, RejectedFolder.reason(of: path), flags: O_RDONLY)
        } catch {
            if error.code == ENOENT { return nil }
            throw error
        }
        var bytes = [UInt8](repeating: 0, count: Self.longestReason)
        let count = pread(file.number, &bytes, bytes.count, 0)
        guard count >= 0 else { throw .last }
        var text = String(decoding: bytes.prefix(count), as: UTF8.self)
        while text.last?.isWhitespace == true { text.removeLast() }
        return text
    }
}
