import Archive
import Dispatch
import Glibc
import Synchronization
import System

// The kernel holds the locks of both folders while it waits for the answer to a RENAME, and nobody
// else can make or look up anything there. So an image is archived before the answer, but what
// takes long is renamed durably and archived behind it:
//
//   a large zip archive    it waits in /incoming, and is unpacked there
//   a folder of /rejected  its files wait, and are archived one after the other
//
// What is not done when pacsfs ends is taken up at the next start: see BackedTree+Promises and
// VouchedFile.
extension BackedTree {
    /// Zip archives up to this size, bytes, are unpacked before RENAME answers.
    static let largestAtOnce: Int64 = 8 << 20
    /// So many files of a folder are on their way at once.
    private static let mostUnderWay = 64

    /// A zip archive that takes long to unpack; `nil` for any other file. Inside the lock.
    func largeZip(_ node: BackedNode) -> SharedDescriptor? {
        guard let file = node.file,
            let descriptor = try? openDescriptor(of: node, file, flags: O_RDONLY),
            let status = try? descriptor.status(), Self.isLargeZip(descriptor, status)
        else { return nil }
        return descriptor
    }

    static func isLargeZip(_ descriptor: SharedDescriptor, _ status: stat) -> Bool {
        status.st_size > largestAtOnce && Archive.isZip(descriptor.number)
    }

    /// FLUSH of a large zip archive under a temporary name: what is on disk now need not be written
    /// while the kernel holds the locks.
    func writeOut(_ zip: SharedDescriptor, replyingTo reply: DeferredReply) {
        moves.start("move") {
            reply.answer(fdatasync(zip.number) == 0 ? .success(()) : .failure(.last))
        }
    }

    /// RENAME of a large zip archive: it answers when the file is on disk under its new name.
    func rename(
        _ zip: SharedDescriptor, _ number: UInt64, _ name: [UInt8], in parent: UInt64,
        to target: Target,
        replyingTo reply: DeferredReply
    ) {
        moves.start("move") { [self] in
            let result = Result { () throws(Errno) in
                guard fsync(zip.number) == 0 else { throw .last }
                try moveDurably(name, in: parent, to: target)
            }
            var next: Submission?
            if case .success = result { next = locked { promise(number) } }
            reply.answer(result)
            next?.run(replyingTo: nil)
        }
    }

    /// Moves a file that is on disk, and makes its name durable. As much as can fail is done before;
    /// if the rest fails, the file is where it was.
    private func moveDurably(_ name: [UInt8], in parent: UInt64, to target: Target) throws(Errno) {
        let path = try locked { () throws(Errno) in try directoryNode(target.parent).path }
        try syncFolders(from: path)
        let folder = try SharedDescriptor(at: directory, path, flags: O_RDONLY | O_DIRECTORY)
        try move(name, in: parent, to: target)
        // File systems without such a thing say EINVAL.
        if fsync(folder.number) == 0 || errno == EINVAL { return }
        let error = Errno.last
        try? move(
            target.name, in: target.parent, to: Target(name: name, parent: parent, mustBeNew: true))
        throw error
    }

    /// Archives files one after the other, and returns when it is known what became of them. What
    /// could not be archived is tried again as any other.
    func archive(_ numbers: [UInt64]) {
        let slots = DispatchSemaphore(value: Self.mostUnderWay)
        let isEnding = Atomic(false)
        for number in numbers where !isEnding.load(ordering: .relaxed) {
            let next = locked { promise(number) }
            guard let next else { continue }
            slots.wait()
            next.run { result in
                if case .failure(let error) = result, error.code == ESHUTDOWN {
                    isEnding.store(true, ordering: .relaxed)
                }
                slots.signal()
            }
        }
        for _ in 0..<Self.mostUnderWay { slots.wait() }
        for _ in 0..<Self.mostUnderWay { slots.signal() }
    }
}
