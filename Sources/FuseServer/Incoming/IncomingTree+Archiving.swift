import Archive
import CFuse3
import Glibc
import Storage
import System

// How a file is submitted to the archive when it is closed, gets its final name, or settles.
extension IncomingTree {
    /// What makes a file safe.
    private enum Submission {
        /// It is to be submitted.
        case ready(IngestRequest, attempt: UInt64)
        /// It is on its way, and the completion is called when that has ended.
        case underWay
        /// There is nothing to archive.
        case nothing
    }

    // MARK: Closing

    /// FLUSH: archives what was written, and answers when it is safe.
    ///
    /// - Parameter wasKilled: Whether the kernel closes the file because a signal ended the
    ///   program.
    func flush(
        _ handle: IncomingHandle, wasKilled: Bool = false, replyingTo reply: DeferredReply
    ) {
        let number = handle.number
        guard handle.canWrite, locked({ !$0.closedWithoutWork(handle) }) else {
            return reply.answer(.success(()))
        }
        do throws(Errno) {
            try takeTurn(of: number) { (contents) throws(Errno) in
                contents.touch(number, now: clock.now)
            }
            let submission: Submission
            let zip: SharedDescriptor?
            do {
                defer { lock.endTurn(of: number) }
                let isIncomplete = try locked { (contents) throws(Errno) in
                    try contents.closed(handle, wasKilled: wasKilled)
                }
                zip = isIncomplete || wasKilled ? nil : try temporaryZip(number)
                submission =
                    isIncomplete || zip != nil
                    ? .nothing
                    : try prepareSubmission(of: number, share: handle.share) { reply.answer($0) }
            }
            switch submission {
            case .ready(let request, let attempt):
                submit(request, attempt, of: number) { reply.answer($0) }
            case .underWay: break
            case .nothing:
                if let zip { writeOut(zip, replyingTo: reply) } else { reply.answer(.success(())) }
            }
        } catch {
            // It has no name any more.
            if error.code == ESTALE { return reply.answer(.success(())) }
            archive.log.warning(
                "A program that closes \(name(of: number)) gets the error: \(error).")
            reply.answer(.failure(error))
        }
    }

    /// For messages only.
    private func name(of number: UInt64) -> String {
        let path = locked { contents in
            contents.tree.place(of: number).map { contents.tree.path(of: $0) }
        }
        return path.map { "\(IngestSource.incoming($0))" } ?? "a file in incoming"
    }

    /// A large zip archive under a temporary name. It is written to disk when it is closed, so that
    /// less has to be while the kernel holds the locks of its RENAME.
    private func temporaryZip(_ number: UInt64) throws(Errno) -> SharedDescriptor? {
        let path = locked { $0.tree.path(of: number) }
        guard TemporaryName.matches(path: path) else { return nil }
        return try largeZip(number)
    }

    // MARK: Submitting

    /// Archives a file that nobody waits for.
    ///
    /// - Parameter share: Given back when the archive has it.
    func archiveInBackground(_ number: UInt64, share: UserShares.Place? = nil) {
        // What lies on a disk that does not answer is looked at when it does.
        if staging.disk?.hasGivenUp == true { return }
        guard
            let submission = try? withTurn(
                of: number,
                { () throws(Errno) in
                    try prepareSubmission(of: number, share: share) { _ in }
                }), case .ready(let request, let attempt) = submission
        else { return }
        submit(request, attempt, of: number) { _ in }
    }

    /// Archives a file before it gets a name. Returns soon.
    ///
    /// - Parameters:
    ///   - path: What it is called from now on, below the root.
    ///   - completion: Called when it is safe, or is known not to be; with success when there was
    ///     nothing to archive. From any thread.
    /// - Throws: What close(2) or rename(2) is to report; `completion` is not called then.
    func startArchiving(
        _ number: UInt64, as path: [UInt8], _ completion: @escaping IncomingContents.Completion
    ) throws(Errno) {
        let submission = try withTurn(of: number) { () throws(Errno) in
            try prepareSubmission(of: number, as: path, completion)
        }
        switch submission {
        case .ready(let request, let attempt):
            submit(request, attempt, of: number, completion)
        case .underWay: break
        case .nothing: completion(.success(()))
        }
    }

    /// Looks at what becomes of a file, for a thread that has its turn. If it is to be archived its
    /// inode is not changed any more.
    ///
    /// - Throws: The error that kept it from being written whole; `EMFILE` when its owner has too
    ///   much open.
    private func prepareSubmission(
        of number: UInt64, as path: [UInt8]? = nil, share: UserShares.Place? = nil,
        _ completion: @escaping IncomingContents.Completion
    ) throws(Errno) -> Submission {
        let settings = archive.settings
        try lookIfIgnored(number, as: path, settings)
        var isUnderWay = false
        let candidate = try locked { (contents) throws(Errno) -> IncomingContents.Candidate? in
            guard contents.tree.place(of: number) != nil else { return nil }
            isUnderWay = contents.wait(forAttemptOn: number, completion)
            return isUnderWay ? nil : try contents.candidate(number, as: path, settings)
        }
        guard let candidate else { return isUnderWay ? .underWay : .nothing }
        let file = candidate.file
        var share = share
        if share == nil { share = try shares.open(by: file.shown.st_uid) }
        let descriptor = try readable(number, file)
        let isZip = file.isZip ?? Archive.isZip(descriptor.number)
        var request = IngestRequest(
            file: IngestFile(
                descriptor.number, owner: SubmittedFile(descriptor, share), on: staging),
            source: .incoming(candidate.path), bytes: Int64(file.shown.st_size),
            digest: file.bytes.digest(ofSize: file.shown.st_size), staging: staging)
        request.isZip = isZip
        request.user = file.shown.st_uid
        request.isLeftover = file.isLeftover
        if let missing = file.bytes.missing {
            request.acceptance = .nothing(because: IncomingDecision.partlyWritten(missing))
        } else if file.deferral?.isForced != true {
            request.acceptance = .wholeImage
        }
        if isZip, file.bytes.missing == nil {
            request.unpacking = Unpacking(source: "\(request.source)")
        }
        let attempt = try locked { (contents) throws(Errno) in
            try contents.beginArchiving(number, isZip: isZip, unpacking: request.unpacking)
        }
        return attempt.map { .ready(request, attempt: $0) } ?? .nothing
    }

    /// Looks whether a file that is to be ignored is an image, for a thread that has its turn.
    private func lookIfIgnored(
        _ number: UInt64, as path: [UInt8]?, _ settings: Settings
    ) throws(Errno) {
        let file = locked { contents -> IncomingFile? in
            guard let file = contents.files[number], file.isImage == nil, file.canBeArchived,
                contents.tree.place(of: number) != nil,
                file.facts(path: path ?? contents.tree.path(of: number), settings).isIgnored
            else { return nil }
            return file
        }
        guard let file else { return }
        // It has a name, so that it stays open during the call.
        let descriptor = try readable(number, file)
        let isImage = Archive.isImage(descriptor.number)
        locked { contents in try? contents.update(number) { $0.isImage = isImage } }
    }

    private func submit(
        _ request: IngestRequest, _ attempt: UInt64, of number: UInt64,
        _ completion: @escaping IncomingContents.Completion
    ) {
        // The request keeps the file open until the archive has it.
        archive.ingest(request) { [self] result in
            completion(finished(attempt, of: number, bytes: request.bytes, result))
        }
    }

    /// Notes what the archive has answered, and passes it on to those who wait for it.
    private func finished(
        _ attempt: UInt64, of number: UInt64, bytes: Int64,
        _ result: Result<IngestOutcome, ArchiveError>
    ) -> Result<Void, Errno> {
        var answer: Result<Void, Errno> = .success(())
        var isOwn = true
        if case .failure(let error) = result {
            answer = .failure(Errno(error.code.errno))
            // A disk that fails or is full is not mended by trying another file.
            isOwn = error.code == .storage && (try? archive.checkRoom(for: bytes)) != nil
        }
        let waiters = locked { contents in
            contents.endArchiving(attempt, of: number, result, isOwn: isOwn, now: clock.now)
        }
        for waiter in waiters { waiter(answer) }
        return answer
    }
}

/// A submitted file is open, and counts as such, until the archive has it: its program may have
/// been killed before.
private final class SubmittedFile: Sendable {
    private let descriptor: SharedDescriptor
    private let share: UserShares.Place?

    init(_ descriptor: SharedDescriptor, _ share: UserShares.Place?) {
        (self.descriptor, self.share) = (descriptor, share)
    }
}

extension IncomingContents {
    /// A file that is to be submitted.
    fileprivate struct Candidate {
        var file: IncomingFile
        /// Below the root.
        var path: [UInt8]
    }

    /// Closes a handle of a file of which there is nothing to archive.
    ///
    /// - Returns: False when there may be something; nothing has changed then.
    fileprivate mutating func closedWithoutWork(_ handle: IncomingHandle) -> Bool {
        guard let file = files[handle.number], tree.place(of: handle.number) != nil else {
            return true
        }
        switch file.state {
        case .writing, .whole, .archiving, .refused, .settingAside, .failed: return false
        case .archived, .consumed, .foreign: break
        }
        try? update(handle.number) { file in
            file.writers.remove(ObjectIdentifier(handle))
            file.killedWriters.remove(ObjectIdentifier(handle))
        }
        return true
    }

    /// A handle was closed.
    ///
    /// - Parameter wasKilled: By the end of a program that was killed.
    /// - Returns: Whether the file is incomplete because of that.
    fileprivate mutating func closed(
        _ handle: IncomingHandle, wasKilled: Bool
    ) throws(Errno) -> Bool {
        let isTemporary = TemporaryName.matches(path: tree.path(of: handle.number))
        return try update(handle.number) { file in
            let wasWriting = file.writers.remove(ObjectIdentifier(handle)) != nil
            if wasKilled {
                guard wasWriting, !isTemporary, file.refuse(IncomingDecision.killed) else {
                    return false
                }
                file.killedWriters.insert(ObjectIdentifier(handle))
                return true
            }
            // By a program that lives on, such as the one that started the one that was killed.
            if file.killedWriters.remove(ObjectIdentifier(handle)) != nil { file.reconsider() }
            return false
        }
    }

    /// Has the completion called when an attempt that is under way has ended.
    ///
    /// - Returns: False when there is none.
    fileprivate mutating func wait(
        forAttemptOn number: UInt64, _ completion: @escaping Completion
    ) -> Bool {
        guard case .archiving(let attempt) = files[number]?.state else { return false }
        wait(for: attempt.number, completion)
        return true
    }

    /// A file as it is to be submitted; `nil` when there is nothing to archive now.
    ///
    /// - Parameter path: What it is called from now on, when it is being renamed.
    /// - Throws: The error that kept it from being written whole. It is reported at each close, and
    ///   the file is set aside when it settles, also when there is room again.
    fileprivate mutating func candidate(
        _ number: UInt64, as path: [UInt8]?, _ settings: Settings
    ) throws(Errno) -> Candidate? {
        guard let file = files[number], file.canBeArchived || file.bytes.error != nil else {
            return nil
        }
        let path = path ?? tree.path(of: number)
        let facts = file.facts(path: path, settings)
        switch IncomingDecision(facts) {
        case .archive: return Candidate(file: file, path: path)
        case .setAside(let reason):
            guard let error = file.bytes.error else { return nil }
            _ = try update(number) { $0.refuse(reason) }
            throw error
        case .wait, .discard: return nil
        }
    }

    /// - Returns: The number of the attempt; `nil` when the file has gone another way.
    fileprivate mutating func beginArchiving(
        _ number: UInt64, isZip: Bool, unpacking: Unpacking?
    ) throws(Errno) -> UInt64? {
        let attempt = nextAttempt()
        return try update(number) { file in
            file.isZip = isZip
            return file.beginArchiving(attempt, unpacking: unpacking) ? attempt : nil
        }
    }
}

extension IncomingFile {
    /// What decides what becomes of it, as soon as no program that writes it has it open.
    ///
    /// - Parameter path: Below the root.
    func facts(path: [UInt8], _ settings: Settings) -> IncomingFacts {
        var facts = IncomingFacts(
            path: path, settings: settings, bytes: Int64(shown.st_size),
            ending: bytes.error.map { .incomplete(IncomingDecision.writeFailed("\($0)")) }
                ?? .closed)
        facts.isForced = deferral?.isForced == true
        facts.isZip = isZip == true
        facts.isImage = isImage == true
        return facts
    }
}
