import Archive
import CFuse3
import Glibc
import System

/// A file on its way into the archive. Made inside the lock of the tree, run outside it.
struct Submission {
    fileprivate let tree: BackedTree
    fileprivate let node: UInt64
    fileprivate let file: BackedFile
    fileprivate let generation: Int
    fileprivate let descriptor: SharedDescriptor
    fileprivate let request: IngestRequest

    /// Calls `completion` when the bytes are safe, or with the error that `close` shall tell.
    func run(_ completion: @escaping @Sendable (Result<Void, Errno>) -> Void) {
        // What is captured here keeps the file open until the archive has it.
        let (tree, node, file, generation, descriptor) = (tree, node, file, generation, descriptor)
        var request = request
        // Its bytes may have to be read from a disk.
        if request.refusal == nil, Archive.isZip(descriptor.number) {
            let unpacking = Unpacking(source: request.source)
            request.unpacking = unpacking
            file.state.withLock { if $0.generation == generation { $0.unpacking = unpacking } }
        }
        tree.archive.ingest(request) { result in
            let answer = tree.finished(node, file, generation, descriptor, result)
            completion(answer)
        }
    }

    func run(replyingTo reply: DeferredReply?) {
        run { reply?.answer($0) }
    }
}

extension BackedTree {
    /// Why a file whose writer was killed is set aside.
    private static let killed =
        "The copy was interrupted: the program that wrote it was ended before it closed the file. Copy the original again; if this is all there is, move it back into incoming."

    /// Why a file is set aside that has its size, but not all of its bytes.
    private static func half(_ missing: String) -> String {
        "The copy was interrupted: \(missing). Copy the original again; if this is all there is, move it back into incoming."
    }

    /// FLUSH: archives what was written, and answers when it is safe.
    ///
    /// - parameter wasKilled: the kernel closes the file because a signal ended the program
    func flush(_ handle: BackedHandle, wasKilled: Bool = false, replyingTo reply: DeferredReply) {
        guard kind == .incoming, handle.canWrite else { return reply.answer(.success(())) }
        do throws(Errno) {
            var zip: SharedDescriptor?
            let step = try locked { () throws(Errno) -> Archiving in
                guard let node = try? node(handle.number) else { return .nothing }
                touch(node)
                if node.isTemporary, !wasKilled { zip = largeZip(node) }
                let isHalf = handle.file.state.withLock { state in
                    let wasWriting = state.dirtyHandles.remove(ObjectIdentifier(handle)) != nil
                    if wasKilled {
                        guard wasWriting, state.isChanged, !node.isTemporary else { return false }
                        state.status = .refused(Self.killed)
                        state.isChanged = false
                        state.interruptedHandles.insert(ObjectIdentifier(handle))
                        return true
                    }
                    // Closed by one that lives on, as the program that started the one killed.
                    if state.interruptedHandles.remove(ObjectIdentifier(handle)) != nil,
                        case .refused = state.status
                    {
                        state.status = .new
                        state.isChanged = true
                    }
                    return false
                }
                if isHalf { return .nothing }
                return try archiving(of: node) { reply.answer($0) }
            }
            switch step {
            case .submit(let submission): submission.run(replyingTo: reply)
            case .waits: break
            case .nothing:
                if let zip { writeOut(zip, replyingTo: reply) } else { reply.answer(.success(())) }
            }
        } catch {
            archive.log.warning(
                "A program that closes \(name(of: handle)) is told: \(String(cString: strerror(error.code)))."
            )
            reply.answer(.failure(error))
        }
    }

    /// For messages only.
    private func name(of handle: BackedHandle) -> String {
        let path = locked { (try? node(handle.number)).map(\.path) }
        return path.map { "incoming/" + String(decoding: $0, as: UTF8.self) }
            ?? "a file in incoming"
    }

    /// What somebody who wants the file to be safe has to do.
    enum Archiving {
        case submit(Submission)
        /// Nothing: he is told when what is under way has ended.
        case waits
        case nothing
    }

    /// Inside the lock.
    ///
    /// - parameter completion: called when it `waits`
    func archiving(
        of node: BackedNode, as path: [UInt8]? = nil,
        _ completion: @escaping @Sendable (Result<Void, Errno>) -> Void
    ) throws(Errno) -> Archiving {
        let waits = node.file?.state.withLock { state in
            guard !state.isChanged, case .archiving = state.status, state.isFrozen else {
                return false
            }
            state.waiters.append((state.generation, completion))
            return true
        }
        if waits == true { return .waits }
        return try submission(of: node, as: path).map(Archiving.submit) ?? .nothing
    }

    /// What there is to archive of the file, if anything; from here on its inode is left as
    /// it is. Inside the lock.
    ///
    /// - parameter path: what it is called from now on, when it is being renamed
    /// - throws: the error that keeps it from being looked at
    func submission(of node: BackedNode, as path: [UInt8]? = nil) throws(Errno) -> Submission? {
        guard kind == .incoming, !node.isRemoved, let file = node.file else { return nil }
        let name = path?.split(separator: UInt8(ascii: "/")).last.map(Array.init) ?? node.name
        guard !TemporaryName.matches(path: path ?? node.path), !archive.settings.ignores(name)
        else { return nil }
        // Looked at before the inode changes hands: a blob belongs to the daemon.
        let shown = try attributes(of: node)
        let needsWork = file.state.withLock { state in
            if state.isChanged { return true }
            if case .failed = state.status { return true }
            return false
        }
        guard needsWork else { return nil }
        // Told again at close, and set aside when it settles: half an image must not pass for a
        // whole one, not when there is room again either.
        try file.state.withLock { state throws(Errno) in
            guard let failure = state.failure else { return }
            state.status = .refused(
                "It could not be written whole: \(String(cString: strerror(failure.error.code))). Copy the original again."
            )
            throw failure.error
        }
        guard shown.st_size > 0 else { return nil }
        let descriptor = try openDescriptor(of: node, file, flags: O_RDONLY)
        if Capabilities.canGiveFilesAway, shown.st_uid != geteuid() || shown.st_gid != getegid() {
            _ = fchown(descriptor.number, geteuid(), getegid())
        }
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
            var request = IngestRequest(
                file: IngestFile(descriptor.number, owner: descriptor),
                source: "incoming/\(shownPath)",
                bytes: Int64(shown.st_size),
                digest: state.hashed == shown.st_size ? state.digest?.finalize() : nil,
                staging: staging)
            request.mustBeWhole = !state.isVouchedFor
            request.refusal = state.announced?.missing.map(Self.half)
            state.unpacking = nil
            return Submission(
                tree: self, node: node.number, file: file, generation: state.generation,
                descriptor: descriptor, request: request)
        }
    }

    /// Notes how the archive answered, and tells those who wait for it.
    fileprivate func finished(
        _ number: UInt64, _ file: BackedFile, _ generation: Int, _ descriptor: SharedDescriptor,
        _ result: Result<IngestOutcome, ArchiveError>
    ) -> Result<Void, Errno> {
        let status: BackedFile.Status
        let answer: Result<Void, Errno>
        switch result {
        case .success(.archived(let id, _)), .success(.sameDataSet(let id, _)),
            .success(.duplicate(let id)):
            (status, answer) = (.archived(id), .success(()))
        case .success(.unpacked), .success(.ignored):
            (status, answer) = (.served, .success(()))
        case .success(.refused(let reason)):
            (status, answer) = (.refused(reason), .success(()))
        case .failure(let error):
            (status, answer) = (.failed(error), .failure(Errno(error.code.errno)))
        }
        // A disk that fails or is full is not mended by trying another file.
        var isOwn = false
        if case .failure(let error) = result, error.code == .storage,
            let status = try? descriptor.status()
        {
            isOwn = (try? archive.checkRoom(for: Int64(status.st_size))) != nil
        }
        let waiters = locked {
            file.state.withLock { state in
                let meant = state.waiters.filter { $0.generation <= generation }
                state.waiters.removeAll { $0.generation <= generation }
                if state.generation == generation {
                    state.status = status
                    if case .failed(let error) = status {
                        let unpacking = state.unpacking
                        state.failures.add(
                            error, duration: unpacking?.duration ?? 0,
                            isOwn: isOwn && unpacking != nil)
                    } else {
                        state.failures = .init()
                    }
                    state.unpacking = nil
                    state.lastUse = monotonicNow()
                    switch status {
                    case .archived, .served: state.isPromised = false
                    // Until it is set aside.
                    case .refused where !state.isPromised: state.release(descriptor)
                    default: break
                    }
                }
                return meant
            }
        }
        for waiter in waiters { waiter.completion(answer) }
        return answer
    }
}

extension BackedFile.State {
    /// Gives the inode back to its client, with what was set on it meanwhile.
    fileprivate mutating func release(_ descriptor: SharedDescriptor) {
        isFrozen = false
        guard let overrides else { return }
        self.overrides = nil
        if Capabilities.canGiveFilesAway {
            _ = fchown(descriptor.number, overrides.uid ?? .max, overrides.gid ?? .max)
        }
        if let mode = overrides.mode { _ = fchmod(descriptor.number, mode | 0o600) }
        if let accessed = overrides.accessed, let modified = overrides.modified {
            _ = futimens(descriptor.number, [accessed, modified])
        }
    }
}
