import Archive
import Glibc
import System

// The kernel holds the locks of both folders while it waits for the answer to a RENAME, and nobody
// else can make or look up anything there. So an image is archived before the answer, but what
// takes long is renamed durably and archived afterwards:
//
//   a large zip archive    it waits in /incoming, and is unpacked there
//   a folder of /rejected  its files wait, and are archived one after the other
//
// What is not done when pacsfs ends is looked at by the next start: see IncomingTree+Rename and
// ForcedFile.

/// Threads, each for one RENAME that waits for a disk, or for what follows it. There are no more of
/// them than RENAMEs that wait for an answer, and moves from `/rejected` that are not done.
final class DeferredRenames: Sendable {
    private let running = Monitor(0)

    /// Calls `body` on a thread of its own.
    ///
    /// - Parameters:
    ///   - disk: What it uses; `nil` for nothing that could be given up.
    ///   - reply: Answered with EIO when the disk does not answer.
    func start(
        on disk: DiskCalls?, replyingTo reply: DeferredReply? = nil,
        _ body: @escaping @Sendable () -> Void
    ) {
        running.withLock { $0 += 1 }
        let end: @Sendable () -> Void = { [running] in
            running.withLock(waking: .all) { $0 -= 1 }
        }
        let work: @Sendable () -> Void = {
            guard let disk else {
                body()
                return end()
            }
            let work = DiskWork(disk.patience) {
                reply?.answer(.failure(Errno(EIO)))
                end()
            }
            let isDone = work.perform { disk.callHere(body) }
            if !isDone { reply?.answer(.failure(Errno(EIO))) }
            if !work.isAbandoned { end() }
        }
        // Without room for a thread the caller does it.
        if (try? WorkerThread("rename", work)) == nil { work() }
    }

    /// Waits until all have ended.
    func wait() { running.wait { $0 == 0 ? () : nil } }
}

extension IncomingTree {
    /// Zip archives up to this size, bytes, are unpacked before RENAME answers.
    static let largestAtOnce = 8 << 20
    /// At most so many files of a folder are on their way at once.
    private static let mostUnderWay = 64

    static func isLargeZip(_ descriptor: SharedDescriptor, bytes: Int) -> Bool {
        bytes > largestAtOnce && Archive.isZip(descriptor.number)
    }

    /// A zip archive that takes long to unpack, for a thread that has its turn; `nil` for any
    /// other file, and for what is not to be archived.
    func largeZip(_ number: UInt64) throws(Errno) -> SharedDescriptor? {
        guard let file = locked({ $0.files[number] }), file.canBeArchived,
            file.shown.st_size > Self.largestAtOnce, file.isZip != false
        else { return nil }
        let descriptor = try readable(number, file)
        let isZip = file.isZip ?? Archive.isZip(descriptor.number)
        try locked { (contents) throws(Errno) in try contents.update(number) { $0.isZip = isZip } }
        return isZip ? descriptor : nil
    }

    /// FLUSH of a large zip archive under a temporary name.
    func writeOut(_ zip: SharedDescriptor, replyingTo reply: DeferredReply) {
        renames.start(on: staging.disk, replyingTo: reply) {
            reply.answer(fdatasync(zip.number) == 0 ? .success(()) : .failure(.last))
        }
    }

    /// RENAME of a large zip archive: it answers when the file is on disk under its new name.
    func rename(
        _ zip: SharedDescriptor, _ number: UInt64, _ source: Place, to target: Target,
        replyingTo reply: DeferredReply
    ) {
        renames.start(on: staging.disk, replyingTo: reply) { [self] in
            let result = Result { () throws(Errno) in
                guard fsync(zip.number) == 0 else { throw .last }
                try moveDurably(source, to: target)
            }
            if case .success = result { locked { $0.deferArchiving(of: number) } }
            reply.answer(result)
            if case .success = result { archiveDeferred(number) }
        }
    }

    /// Moves a file that is on disk, and makes its name durable. As much as can fail is done
    /// before; if the rest fails, the file is where it was.
    private func moveDurably(_ source: Place, to target: Target) throws(Errno) {
        try syncFolders(from: target.parent)
        let folder = try folder(target.parent)
        try move(source, to: target)
        // File systems without such a thing say EINVAL.
        if fsync(folder.descriptor) == 0 || errno == EINVAL { return }
        let error = Errno.last
        try? move(
            target.place, to: Target(name: source.name, parent: source.directory, mustBeNew: true))
        throw error
    }

    /// Archives files one after the other, and returns when it is known what became of them. What
    /// could not be archived is tried again like any other file.
    func archiveDeferred(_ numbers: [UInt64]) {
        struct Progress {
            var underWay = 0
            var isEnding = false
        }
        let progress = Monitor(Progress())
        for number in numbers {
            let goesOn = progress.wait { progress -> Bool? in
                if progress.isEnding { return false }
                guard progress.underWay < Self.mostUnderWay else { return nil }
                progress.underWay += 1
                return true
            }
            guard goesOn else { break }
            let finish: IncomingContents.Completion = { result in
                progress.withLock(waking: .all) { progress in
                    progress.underWay -= 1
                    if case .failure(let error) = result, error.code == ESHUTDOWN {
                        progress.isEnding = true
                    }
                }
            }
            locked { $0.deferArchiving(of: number) }
            do throws(Errno) {
                try startArchiving(number, as: locked { $0.tree.path(of: number) }, finish)
            } catch {
                finish(.failure(error))
            }
        }
        progress.wait { $0.underWay == 0 ? () : nil }
    }
}
