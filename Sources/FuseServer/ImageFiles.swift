import Archive
import Glibc
import Synchronization

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
        /// We are asked for its bytes.
        case descriptor(SharedDescriptor)
    }

    private struct Entry: Sendable {
        var source: Source
        var opens: Int
        /// The blob has been replaced: nobody else is to get this file.
        var isStale = false
    }

    private struct Shard {
        var entries: [Int64: Entry] = [:]
        /// Those with no opens, the longest unused first.
        var unused: [Int64] = []
    }

    private let shards = (0..<16).map { _ in Mutex(Shard()) }
    /// Unused ones kept, in each shard.
    private static let kept = 32

    private final class Mutex<Value>: Sendable {
        // A class, because an array cannot hold what cannot be copied.
        private let mutex: Synchronization.Mutex<Value>
        init(_ value: sending Value) { mutex = .init(value) }
        func withLock<R, E: Error>(_ body: (inout sending Value) throws(E) -> sending R) throws(E) -> sending R {
            try mutex.withLock(body)
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

    private func shard(_ instance: Int64) -> Mutex<Shard> { shards[Int(instance & 15)] }

    /// - throws: EIO when no copy can be read
    func open(_ instance: Int64) throws(Errno) -> Source {
        try shard(instance).withLock { shard throws(Errno) in
            if var entry = shard.entries[instance] {
                if entry.opens == 0 { shard.unused.removeAll { $0 == instance } }
                entry.opens += 1
                shard.entries[instance] = entry
                return entry.source
            }
            let descriptor = SharedDescriptor(try Errno.from { try archive.openBlob(of: instance) })
            var source = Source.descriptor(descriptor)
            if let backing, let id = try? backing.register(descriptor.number) { source = .backing(id) }
            shard.entries[instance] = Entry(source: source, opens: 1)
            return source
        }
    }

    /// The file of an open image that is read through the daemon.
    func descriptor(of instance: Int64) -> SharedDescriptor? {
        shard(instance).withLock { shard in
            if case .descriptor(let descriptor) = shard.entries[instance]?.source { descriptor } else { nil }
        }
    }

    /// Forgets the file of an image whose blob was replaced by a good one; those who have it
    /// open keep it until they close it.
    func replaced(_ instance: Int64) {
        shard(instance).withLock { shard in
            guard var entry = shard.entries[instance] else { return }
            if entry.opens > 0 {
                entry.isStale = true
                shard.entries[instance] = entry
                return
            }
            shard.entries[instance] = nil
            shard.unused.removeAll { $0 == instance }
            if case .backing(let id) = entry.source { backing?.release(id) }
        }
    }

    func close(_ instance: Int64) {
        shard(instance).withLock { shard in
            guard var entry = shard.entries[instance] else { return }
            entry.opens -= 1
            shard.entries[instance] = entry
            guard entry.opens == 0 else { return }
            if entry.isStale {
                shard.entries[instance] = nil
                if case .backing(let id) = entry.source { backing?.release(id) }
                return
            }
            shard.unused.append(instance)
            if shard.unused.count > Self.kept {
                let oldest = shard.unused.removeFirst()
                if case .backing(let id) = shard.entries.removeValue(forKey: oldest)?.source {
                    backing?.release(id)
                }
            }
        }
    }
}
