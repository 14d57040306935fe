import TestSupport
import Archive
import CFuse3
import Foundation
import Storage
import SyntheticStudy
import System
import TemporaryArchive
import Testing

@testable import FuseServer

/// `/incoming` of an archive, without a mount: what a kernel would ask, asked by hand.
final class TreeFixture {
    let temporary: TemporaryArchive
    let archive: Archive
    let tree: IncomingTree
    let root = FixedEntry.incoming.number

    /// - parameter prepare: is told the folder before the volumes are made
    init(
        settle: Double = 10, mostNames: Int = 1000, permissions: Permissions = .everybody,
        clock: any MonotonicClock = SystemClock(),
        prepare: (TemporaryFolder) throws -> Void = { _ in }
    ) throws {
        temporary = try TemporaryArchive(settle: settle, prepare: prepare)
        archive = try Archive(at: temporary.path, log: temporary.log.logger)
        tree = IncomingTree(
            staging: archive.staging, root: FixedEntry.incoming.number,
            archive: archive, permissions: permissions,
            shares: UserShares(open: 1000, names: mostNames, refusals: archive.refusals),
            clock: clock)
    }

    deinit { archive.close() }

    /// What the next start makes of what is left, until `/incoming` is empty. The archive of this
    /// is closed then.
    func startAgain() throws {
        try startAgain { (archive, trees) throws in
            let settling = Settling { trees.incoming }
            settling.start()
            archive.recover()
            #expect(try eventually { try left.isEmpty })
            settling.stop()
        }
    }

    /// The next start, in which nothing settles. The archive of this is closed then.
    func startAgain(
        clock: any MonotonicClock = SystemClock(),
        _ body: (Archive, IncomingTrees) throws -> Void
    ) throws {
        tree.renames.wait()
        archive.close()
        // This process still has the lock, which one that has ended has not.
        unlink(temporary.path + "/lock")
        try temporary.open(clock: clock, recovering: false) { (archive) throws in
            let trees = IncomingTrees(
                archive: archive, permissions: .everybody,
                shares: UserShares(refusals: archive.refusals))
            archive.observe(views: NoViews(), incoming: trees)
            defer {
                trees.incoming.renames.wait()
                archive.stopObserving()
            }
            trees.incoming.renames.wait()
            try body(archive, trees)
        }
    }

    // MARK: What programs do

    func create(_ name: String, in parent: UInt64? = nil, flags: Int32 = O_WRONLY | O_EXCL) throws
        -> IncomingHandle
    {
        try tree.create(
            Array(name.utf8), in: parent ?? root, flags: flags, mode: 0o644,
            caller: FileOwner(uid: getuid(), gid: getgid())
        ).1
    }

    func write(_ bytes: [UInt8], to handle: IncomingHandle, at offset: Int = 0) throws {
        let count = try bytes.withUnsafeBytes { buffer throws(Errno) in
            try tree.write(handle, buffer, offset: offset)
        }
        #expect(count == bytes.count)
    }

    /// Waits for what `close()` is told.
    func flush(_ handle: IncomingHandle) -> Int32 {
        let answer = Answer()
        tree.flush(handle, replyingTo: answer.reply)
        return answer.wait()
    }

    /// Waits for what `rename()` is told.
    func rename(
        _ name: String, in parent: UInt64? = nil, to newName: String,
        below newParent: UInt64? = nil, mustBeNew: Bool = false
    ) -> Int32 {
        let answer = Answer()
        tree.rename(
            Array(name.utf8), in: parent ?? root,
            to: .init(name: Array(newName.utf8), parent: newParent ?? root, mustBeNew: mustBeNew),
            replyingTo: answer.reply)
        return answer.wait()
    }

    /// Creates, writes, flushes and releases, as `cp` does.
    ///
    /// - returns: what `close()` was told
    @discardableResult
    func save(_ bytes: [UInt8], as name: String, in parent: UInt64? = nil) throws -> Int32 {
        let handle = try create(name, in: parent)
        try write(bytes, to: handle)
        let error = flush(handle)
        tree.release(handle)
        return error
    }

    func makeDirectory(_ name: String, in parent: UInt64? = nil) throws -> UInt64 {
        try tree.makeDirectory(
            Array(name.utf8), in: parent ?? root, mode: 0o755,
            caller: FileOwner(uid: getuid(), gid: getgid())
        ).ino
    }

    func open(_ name: String, flags: Int32, in parent: UInt64? = nil) throws -> IncomingHandle {
        try tree.open(tree.lookup(Array(name.utf8), in: parent ?? root).ino, flags: flags)
    }

    // MARK: What is there

    /// All that READ would give.
    func bytes(of handle: IncomingHandle) throws -> [UInt8] {
        let descriptor = try tree.descriptor(of: handle)
        var bytes = [UInt8](repeating: 0, count: Int(try descriptor.status().st_size))
        #expect(pread(descriptor.number, &bytes, bytes.count, 0) == bytes.count)
        return bytes
    }

    /// What `user.pacsfs.reason` says.
    func reason(of number: UInt64) throws -> String? {
        try attribute(ExtendedAttribute.reason, of: number)
    }

    /// What `user.pacsfs.state` says.
    func state(of number: UInt64) throws -> String? {
        try attribute(ExtendedAttribute.state, of: number)
    }

    private func attribute(_ name: String, of number: UInt64) throws -> String? {
        try tree.extendedAttributes(of: number).first { $0.name == name }?.value
    }

    /// Lets the archive answer that it cannot take a file, as often as is said.
    func fail(_ handle: IncomingHandle, _ message: String, times: Int = 1) throws {
        for attempt in 1...times {
            let hasFailed = try tree.locked { (state) throws(Errno) in
                try state.update(handle.number) { file in
                    let number = UInt64(1_000_000 + attempt)
                    return file.beginArchiving(number, unpacking: Unpacking(source: ""))
                        && file.endArchiving(
                            number, .failure(ArchiveError(.storage, message)), isOwn: true)
                }
            }
            #expect(hasFailed)
        }
    }

    /// A file was last used so long ago, ns.
    func age(_ handle: IncomingHandle, by age: Int64) {
        tree.locked { $0.touch(handle.number, now: tree.clock.now - age) }
    }

    func path(_ name: String) -> String { temporary.volumes[0] + "/staging/incoming/" + name }

    /// What lies on disk in `/incoming`.
    var left: [String] {
        get throws { try files(below: temporary.volumes[0] + "/staging/incoming") }
    }

    var instances: Int64 {
        get throws { try archive.index.read { try $0.totals().instances } }
    }

    /// `instance.id` of archived bytes.
    func instance(_ bytes: [UInt8]) throws -> Int64? {
        try archive.index.read { try $0.instance(sha256: Digest.of(bytes).bytes) }
    }

    /// Whether both volumes hold the blob with exactly these bytes, and nobody may write to it.
    func isBlob(_ bytes: [UInt8]) throws -> Bool {
        try (1...2).allSatisfy { number in
            let path = temporary.blob(.of(bytes), on: number)
            var status = stat()
            return try stat(path, &status) == 0 && status.st_mode & 0o777 == 0o444
                && contents(of: path) == bytes
        }
    }

    /// What was set aside: its path without the day, and the reason.
    func rejected() throws -> [String: String] {
        let folder = temporary.volumes[0] + "/rejected"
        return try files(below: folder).filter { !$0.hasSuffix(".reason.txt") }.reduce(into: [:]) {
            result, name in
            let path = name.split(separator: "/").dropFirst().joined(separator: "/")
            result[path] = String(
                decoding: try contents(of: "\(folder)/\(name).reason.txt"), as: UTF8.self)
        }
    }
}

/// Shows no views.
final class NoViews: ViewObserver {
    func published(nodes: Set<Int64>, replaced: [Int64]) {}
    func healed(image: Int64) {}
    func viewsChanged(gone: [String], images: Range<Int64>) {}
    func lost(volume: Int) {}
}

/// What a reply comes to.
final class Answer: Sendable {
    private let code = Monitor<Int32?>(nil)

    var reply: DeferredReply {
        DeferredReply { [self] code in self.code.withLock(waking: .all) { $0 = code } }
    }

    /// - returns: the error number; 0 for success; -1 when nothing came in ten seconds
    func wait() -> Int32 {
        code.wait(until: SystemClock().now + 10_000_000_000) { $0 } ?? -1
    }
}

/// An image of its own for each seed.
func image(_ seed: UInt64) -> [UInt8] {
    SyntheticStudy(
        seed: seed, modality: .computedTomography, series: 1, imagesPerSeries: 1, side: 16
    )
    .image(series: 0, index: 0).write()
}
