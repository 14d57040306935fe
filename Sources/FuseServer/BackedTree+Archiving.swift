import Archive
import CFuse3
import Glibc

/// A file on its way into the archive. Made inside the lock of the tree, run outside it.
struct Submission {
    fileprivate let tree: BackedTree
    fileprivate let node: UInt64
    fileprivate let file: BackedFile
    fileprivate let generation: Int
    fileprivate let request: IngestRequest

    /// Calls `completion` when the bytes are safe, or with the error that `close` shall tell.
    func run(_ completion: @escaping @Sendable (Result<Void, Errno>) -> Void) {
        // What is captured here keeps the file open until the archive has it.
        let (tree, node, file, generation) = (tree, node, file, generation)
        tree.archive.ingest(request) { result in
            let answer = tree.finished(node, file, generation, result)
            completion(answer)
        }
    }

    func run(replyingTo reply: DeferredReply?) {
        run { reply?.answer($0) }
    }
}

extension BackedTree {
    /// FLUSH: archives what was written, and answers when it is safe.
    func flush(_ handle: BackedHandle, replyingTo reply: DeferredReply) {
        guard kind == .incoming, handle.canWrite else { return reply.answer(.success(())) }
        enum Step { case submit(Submission), wait, nothing }
        let step = locked { () -> Step in
            guard let node = try? node(handle.number) else { return .nothing }
            touch(node)
            let waits = handle.file.state.withLock { state in
                guard !state.isChanged, case .archiving = state.status, state.isFrozen else { return false }
                state.waiters.append(reply)
                return true
            }
            if waits { return .wait }
            return submission(of: node).map(Step.submit) ?? .nothing
        }
        switch step {
        case .submit(let submission): submission.run(replyingTo: reply)
        case .wait: break
        case .nothing: reply.answer(.success(()))
        }
    }

    /// What there is to archive of the file, if anything; from here on its inode is left as
    /// it is. Inside the lock.
    ///
    /// - parameter path: what it is called from now on, when it is being renamed
    func submission(of node: BackedNode, as path: [UInt8]? = nil) -> Submission? {
        guard kind == .incoming, !node.isRemoved, let file = node.file else { return nil }
        let name = path?.split(separator: UInt8(ascii: "/")).last.map(Array.init) ?? node.name
        guard !TemporaryName.matches(name), !archive.settings.ignores(name) else { return nil }
        // Looked at before the inode changes hands: a blob belongs to the daemon.
        guard let shown = try? attributes(of: node) else { return nil }
        let needsWork = file.state.withLock { state in
            if state.isChanged { return true }
            if case .failed = state.status { return true }
            return false
        }
        guard needsWork, shown.st_size > 0 else { return nil }
        guard let descriptor = try? openDescriptor(of: node, file, flags: O_RDWR) else { return nil }
        if geteuid() == 0, shown.st_uid != 0 || shown.st_gid != 0 { _ = fchown(descriptor.number, 0, 0) }
        return file.state.withLock { state in
            state.isChanged = false
            state.isFrozen = true
            state.status = .archiving
            if state.overrides == nil {
                state.overrides = .init(
                    mode: shown.st_mode & 0o7777, uid: shown.st_uid, gid: shown.st_gid,
                    accessed: shown.st_atim, modified: shown.st_mtim)
            }
            let shownPath = String(decoding: path ?? node.path, as: UTF8.self)
            return Submission(
                tree: self, node: node.number, file: file, generation: state.generation,
                request: IngestRequest(
                    file: IngestFile(descriptor.number, owner: descriptor), source: "incoming/\(shownPath)",
                    bytes: Int64(shown.st_size),
                    digest: state.hashed == shown.st_size ? state.digest?.finalize() : nil,
                    isStaged: true))
        }
    }

    /// Notes how the archive answered, and tells those who wait for it.
    fileprivate func finished(
        _ number: UInt64, _ file: BackedFile, _ generation: Int,
        _ result: Result<IngestOutcome, ArchiveError>
    ) -> Result<Void, Errno> {
        let status: BackedFile.Status
        let answer: Result<Void, Errno>
        switch result {
        case .success(.archived(let id)), .success(.duplicate(let id)):
            (status, answer) = (.archived(id), .success(()))
        case .success(.refused(let reason)):
            (status, answer) = (.refused(reason), .success(()))
        case .failure(let error):
            (status, answer) = (.failed(error), .failure(Errno(error.code.errno)))
        }
        let waiters = locked {
            file.state.withLock { state in
                defer { state.waiters = [] }
                if state.generation == generation {
                    state.status = status
                    state.lastUse = monotonicNow()
                    if case .refused = status { state.isFrozen = false }
                }
                return state.waiters
            }
        }
        for waiter in waiters { waiter.answer(answer) }
        return answer
    }
}
