import Archive
import Glibc
import System

/// The open images, and some that were open before.
///
/// While an image is open, all who have it open share one file and one way of reading it:
/// the kernel answers EIO when a backing file and its own cache are mixed. A file that is
/// registered as backing file needs no descriptor of ours any more.
final class ImageFiles: Sendable {
    /// How an open image is read.
    enum Source: Sendable {
        /// The kernel reads it, by this backing id.
        case backing(Int32)
        /// We are asked for its bytes; whether what the kernel has of them from earlier may stay.
        case descriptor(SharedDescriptor, keepsCache: Bool)
        /// The same, for the one who opened it: others have another file of the image open.
        case direct(SharedDescriptor)
    }

    private struct Entry: Sendable {
        var source: Source
        var version: VerifiedBlob
        var opens: Int
        /// Goes with the last who has it open.
        var isStale = false
    }

    private struct Shard {
        var entries: [Int64: Entry] = [:]
        /// Those with no opens, the longest unused first.
        var unused: [Int64] = []

        /// One more has it open.
        mutating func use(_ instance: Int64) -> Source? {
            guard let entry = entries[instance] else { return nil }
            if entry.opens == 0 { unused.removeAll { $0 == instance } }
            entries[instance]?.opens += 1
            return entry.source
        }
    }

    private let shards = (0..<16).map { _ in LockedShard() }
    /// Unused ones kept, in each shard.
    private static let kept = 32

    /// A class, because an array cannot hold what cannot be copied.
    private final class LockedShard: Sendable {
        private let lock = Lock(Shard())

        func withLock<R, E: Error>(
            _ body: (inout sending Shard) throws(E) -> sending R
        ) throws(E) -> sending R {
            try lock.withLock(body)
        }
    }

    private let archive: Archive
    /// `nil` when images are read through the daemon.
    private let backing: BackingFiles?

    /// - parameter backing: used when the kernel really lets us: it takes CAP_SYS_ADMIN, which
    ///   root may lack in a container, and a file system that is not itself stacked on others
    init(archive: Archive, backing: BackingFiles?) {
        self.archive = archive
        guard let backing, let probe = try? archive.openIdentity() else {
            self.backing = nil
            return
        }
        defer { Glibc.close(probe) }
        guard let id = try? backing.register(probe) else {
            self.backing = nil
            return
        }
        backing.release(id)
        self.backing = backing
    }

    /// Whether the kernel reads images by itself.
    var isPassthrough: Bool { backing != nil }

    private func shard(_ instance: Int64) -> LockedShard { shards[Int(instance & 15)] }

    /// Opens an image for reading; from files that have been seen to be good only.
    ///
    /// - throws: EIO when no copy is good
    func open(_ instance: Int64) throws(Errno) -> Source {
        let known = shard(instance).withLock { shard -> Source? in
            guard let entry = shard.entries[instance], !entry.isStale,
                archive.isCurrent(entry.version)
            else {
                return nil
            }
            return shard.use(instance)
        }
        if let known { return known }
        // Not in the lock: the whole image may have to be read.
        let (number, version, wasKnown) = try Errno.from { try archive.openBlob(of: instance) }
        let descriptor = SharedDescriptor(owning: number)
        return shard(instance).withLock { shard in
            if let entry = shard.entries[instance] {
                if !entry.isStale, entry.version.isSameFile(as: version) {
                    shard.entries[instance]?.version = version
                    _ = shard.use(instance)
                    if case .descriptor(let open, _) = entry.source {
                        return .descriptor(open, keepsCache: wasKnown)
                    }
                    return entry.source
                }
                if entry.opens > 0, case .backing = entry.source, !archive.isThere(entry.version) {
                    // The kernel takes no other file, nor another way, while this one is open. Its
                    // bytes were good; that its volume went does not change them.
                    _ = shard.use(instance)
                    return entry.source
                }
                guard entry.opens == 0 else { return .direct(descriptor) }
                drop(instance, from: &shard)
            }
            // The file it was read from before may have been bad, and another volume's be good.
            let fresh = Source.descriptor(descriptor, keepsCache: wasKnown)
            var source = Source.descriptor(descriptor, keepsCache: true)
            if let backing, let id = try? backing.register(descriptor.number) {
                source = .backing(id)
            }
            shard.entries[instance] = Entry(source: source, version: version, opens: 1)
            if case .descriptor = source { return fresh }
            return source
        }
    }

    private func drop(_ instance: Int64, from shard: inout Shard) {
        shard.unused.removeAll { $0 == instance }
        if case .backing(let id) = shard.entries.removeValue(forKey: instance)?.source {
            backing?.release(id)
        }
    }

    /// Forgets the files of a volume that went, so that its disk can be unmounted; those that
    /// are open when they are closed.
    func lost(volume: Int) {
        for shard in shards {
            shard.withLock { shard in
                for (instance, entry) in shard.entries where entry.version.volumeOrdinal == volume {
                    if entry.opens > 0 {
                        shard.entries[instance]?.isStale = true
                    } else {
                        drop(instance, from: &shard)
                    }
                }
            }
        }
    }

    /// The file of an open image that is read through the daemon.
    func descriptor(of instance: Int64) -> SharedDescriptor? {
        shard(instance).withLock { shard in
            if case .descriptor(let descriptor, _) = shard.entries[instance]?.source {
                descriptor
            } else {
                nil
            }
        }
    }

    /// Forgets the file of an image whose blob was replaced by a good one; those who have it
    /// open keep it until they close it.
    func replaced(_ instance: Int64) {
        shard(instance).withLock { shard in
            guard let entry = shard.entries[instance] else { return }
            if entry.opens > 0, !archive.isCurrent(entry.version) {
                shard.entries[instance]?.isStale = true
            } else if entry.opens == 0 {
                drop(instance, from: &shard)
            }
        }
    }

    func close(_ instance: Int64) {
        shard(instance).withLock { shard in
            guard let entry = shard.entries[instance] else { return }
            shard.entries[instance]?.opens -= 1
            guard entry.opens == 1 else { return }
            if entry.isStale || !archive.isThere(entry.version) {
                return drop(instance, from: &shard)
            }
            shard.unused.append(instance)
            if shard.unused.count > Self.kept { drop(shard.unused[0], from: &shard) }
        }
    }
}
