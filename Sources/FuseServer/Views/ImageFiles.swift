import Archive
import Glibc
import System

/// An image that a program has open.
struct OpenImage: Sendable {
    /// `instance.id`.
    let instance: Int64
    let source: ImageFiles.Source
    /// The lane of the volume that it is read from.
    let lane: Lane
    /// The disk that it is read from.
    let disk: DiskCalls?

    /// READ's file; `nil` when the kernel reads by itself.
    var descriptor: SharedDescriptor? {
        switch source {
        case .backing: nil
        case .descriptor(let descriptor, _), .direct(let descriptor): descriptor
        }
    }
}

/// The open images, and some that were open before.
///
/// While an image is open, all programs that have it open share one file and one way of reading it.
/// With a backing file there is no exception: the kernel answers EIO to any other way, and to any
/// other file. Without one, programs that come after the file was replaced read the new one past
/// the kernel's cache.
///
/// OPEN looks at a disk, and may have to read the whole image. It does so with no lock held, on the
/// lane of the volume, once for all that open the image meanwhile.
final class ImageFiles: Sendable {
    /// How an open image is read.
    enum Source: Sendable {
        /// By the kernel, from the backing file of this id.
        case backing(Int32)
        /// By the daemon; whether the kernel may keep what it has cached earlier.
        case descriptor(SharedDescriptor, keepsCache: Bool)
        /// By the daemon, for one program: others have another file of the image open.
        case direct(SharedDescriptor)
    }

    typealias Completion = @Sendable (Result<OpenImage, Errno>) -> Void

    /// A request that waits for an image.
    private struct Waiting: Sendable {
        var completion: Completion
        /// Whether its program waits still.
        var isWanted: @Sendable () -> Bool
    }

    private struct Entry: Sendable {
        var source: Source
        /// The file. With passthrough the kernel reads it without asking the daemon: see
        /// ``stillGood(_:)``.
        var descriptor: SharedDescriptor
        var version: VerifiedBlob
        var opens: Int
        /// Goes when nobody has it open any more.
        var isStale = false
        /// Whether its file was read again for the request that opens the image now.
        var isVerifiedAgain = false
    }

    private struct Opening {
        var waiting: [Waiting]
        /// One more each time when another thread has to take over.
        var attempt = 0
    }

    private struct Shard {
        var entries: [Int64: Entry] = [:]
        /// Entries that nobody has open, the longest unused first.
        var unused: [Int64] = []
        /// Images that are being opened, with the requests that wait for that. Only the thread
        /// that opens an image makes its entry.
        var opening: [Int64: Opening] = [:]
        /// Backing files to give back, outside the lock.
        var dropped: [Int32] = []

        /// Counts more programs that have an image open.
        mutating func use(_ instance: Int64, times: Int = 1) {
            guard let entry = entries[instance] else { return }
            if entry.opens == 0 { unused.removeAll { $0 == instance } }
            entries[instance]?.opens += times
        }

        mutating func drop(_ instance: Int64) {
            unused.removeAll { $0 == instance }
            if case .backing(let id) = entries.removeValue(forKey: instance)?.source {
                dropped.append(id)
            }
        }
    }

    private let shards = (0..<16).map { _ in LockedShard() }
    /// Unused entries kept, in each shard.
    private let kept: Int

    /// A class, because an array cannot hold what cannot be copied.
    private final class LockedShard: Sendable {
        private let lock = Lock(Shard())

        func withLock<R, E: Error>(
            _ body: (inout sending Shard) throws(E) -> sending R
        ) throws(E) -> sending R {
            try lock.withLock(body)
        }
    }

    /// Files of other copies of images that are open from a disk that does not answer.
    private let elsewhere = Lock<[Int64: (SharedDescriptor, DiskCalls?)]>([:])
    private let archive: Archive
    /// `nil` when images are read through the daemon.
    private let backing: BackingFiles?
    private let lanes: VolumeLanes
    /// Of the threads of a volume's lane, those that may hash large images: others that read from
    /// the volume do not wait for them.
    private let hashing: VolumeLanes

    /// - Parameters:
    ///   - backing: Used when the kernel really lets us: it takes CAP_SYS_ADMIN, which root may
    ///     lack in a container, and a file system that is not itself stacked on others.
    ///   - lanes: For what reads a volume.
    ///   - unused: How many images that nobody has open may keep their descriptors; at most 512 do.
    init(archive: Archive, backing: BackingFiles?, lanes: VolumeLanes, unused: Int) {
        kept = min(32, unused / shards.count)
        self.archive = archive
        self.lanes = lanes
        hashing = VolumeLanes(limit: ThreadShares.hashing, patience: archive.patience)
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

    private func withShard<R>(of instance: Int64, _ body: (inout sending Shard) -> sending R)
        -> sending R
    {
        withShard(shards[Int(instance & 15)], body)
    }

    private func withShard<R>(_ shard: LockedShard, _ body: (inout sending Shard) -> sending R)
        -> sending R
    {
        let (result, dropped) = shard.withLock { shard in
            let result = body(&shard)
            let dropped = shard.dropped
            shard.dropped = []
            return (result, dropped)
        }
        for id in dropped { backing?.release(id) }
        return result
    }

    // MARK: Opening

    /// Opens an image for reading; from files that have been seen to be good only.
    ///
    /// - Parameters:
    ///   - willWait: Called when the image has to be read before, or another request opens it.
    ///   - isWanted: Asked while a large image is read; when nobody wants it any more, that ends.
    ///   - completion: Called once, on this thread or another; EIO when no copy is good, and none
    ///     is to be had from off-site.
    func open(
        _ instance: Int64, willWait: @escaping @Sendable () -> Void = {},
        isWanted: @escaping @Sendable () -> Bool = { true }, completion: @escaping Completion
    ) {
        let waiting = Waiting(completion: completion, isWanted: isWanted)
        let (isFirst, known) = withShard(of: instance) { shard -> (Bool, VerifiedBlob?) in
            guard shard.opening[instance] == nil else {
                // In the lock, for the answer may come right after it.
                willWait()
                shard.opening[instance]?.waiting.append(waiting)
                return (false, nil)
            }
            shard.opening[instance] = Opening(waiting: [waiting])
            let entry = shard.entries[instance]
            return (true, entry?.isStale == false ? entry?.version : nil)
        }
        if isFirst { open(instance, known, attempt: 0, willWait) }
    }

    /// Opens an image for those that wait for it.
    ///
    /// - Parameters:
    ///   - known: The file that was open last.
    ///   - attempt: See ``Opening``.
    ///   - isFetched: Whether it was just fetched from off-site, which is done once.
    private func open(
        _ instance: Int64, _ known: VerifiedBlob?, attempt: Int, isFetched: Bool = false,
        _ willWait: @escaping @Sendable () -> Void
    ) {
        do throws(Errno) {
            let ordinal = try volume(for: instance, known)
            let takeOver: Lane.Work = { [self] in
                archive.patience?.start { [self] in openAgain(instance, after: attempt, willWait) }
            }
            lanes[ordinal].run(isAbandoned: takeOver) { [self] in
                if let opened = current(instance, known, on: ordinal) {
                    return finish(instance, attempt, .success(opened))
                }
                willWait()
                let verify: Lane.Work = { [self] in
                    switch result(instance, on: ordinal) {
                    case .offsite where !isFetched: fetch(instance, attempt, willWait)
                    case .offsite: finish(instance, attempt, .failure(Errno(EIO)))
                    case .opened(let opened): finish(instance, attempt, .success(opened))
                    case .failed(let error): finish(instance, attempt, .failure(error))
                    case .unwanted: giveUp(instance, attempt)
                    }
                }
                guard (try? archive.takesLong(toOpen: instance)) == true else { return verify() }
                hashing[ordinal].run(isAbandoned: takeOver, verify)
            }
        } catch {
            finish(instance, attempt, .failure(error))
        }
    }

    /// Opens an image from another volume, when the disk from which it was to be opened does not
    /// answer.
    private func openAgain(
        _ instance: Int64, after attempt: Int, _ willWait: @escaping @Sendable () -> Void
    ) {
        if begins(instance, after: attempt) {
            open(instance, nil, attempt: attempt + 1, willWait)
        }
    }

    /// Begins another attempt, unless another thread has.
    private func begins(_ instance: Int64, after attempt: Int) -> Bool {
        withShard(of: instance) { shard in
            guard shard.opening[instance]?.attempt == attempt else { return false }
            shard.opening[instance]?.attempt += 1
            return true
        }
    }

    /// The volume to read an image from: one that has a copy, and threads to spare.
    ///
    /// - Parameter known: The file that was open last.
    private func volume(for instance: Int64, _ known: VerifiedBlob?) throws(Errno) -> Int {
        // Mostly nothing needs to be looked up.
        let likely = known?.volumeOrdinal ?? archive.verifiedOrdinal(of: instance)
        if let likely, !lanes[likely].isFull { return likely }
        let order = try Errno.from { try archive.readingOrder(of: instance) }
        return order.first { !lanes[$0].isFull } ?? likely ?? order.first ?? 0
    }

    /// How an image that was opened is read, and from which volume.
    private struct Opened: Sendable {
        var source: Source
        var ordinal: Int
        var disk: DiskCalls?
        /// Whether the source is that of the image's entry, in which this is counted once.
        var isShared = true
    }

    /// The file that was open last, when it is unchanged and on the volume that is to be read.
    private func current(
        _ instance: Int64, _ known: VerifiedBlob?, on ordinal: Int
    ) -> Opened? {
        guard let known, known.volumeOrdinal == ordinal, archive.isCurrent(known) else {
            return nil
        }
        let source = withShard(of: instance) { shard -> Source? in
            guard let entry = shard.entries[instance], !entry.isStale else { return nil }
            shard.use(instance)
            return entry.source
        }
        return source.map { Opened(source: $0, ordinal: ordinal, disk: known.disk) }
    }

    /// Fetches an image that no volume has, and opens it then. Its lane is free meanwhile.
    private func fetch(
        _ instance: Int64, _ attempt: Int, _ willWait: @escaping @Sendable () -> Void
    ) {
        archive.fetch(instance) { [self] in
            isWanted(instance)
        } completion: { [self] result in
            switch result {
            case .unwanted: giveUp(instance, attempt)
            case .failed(let error):
                finish(instance, attempt, .failure(Errno(error.code.errno)))
            case .fetched:
                if begins(instance, after: attempt) {
                    open(instance, nil, attempt: attempt + 1, isFetched: true, willWait)
                }
            }
        }
    }

    /// What a look at the copies of an image has come to.
    private enum Look {
        case opened(Opened)
        /// No volume has a good copy, and it is off-site.
        case offsite
        /// Nobody waited any more.
        case unwanted
        case failed(Errno)
    }

    /// - Parameter ordinal: The volume whose copy is read first.
    private func result(_ instance: Int64, on ordinal: Int) -> Look {
        let found: (descriptor: Int32, version: VerifiedBlob, wasKnown: Bool)?
        do throws(ArchiveError) {
            found = try archive.openBlob(of: instance, first: ordinal) { [self] in
                isWanted(instance)
            }
        } catch {
            return error.code == .onlyOffsite ? .offsite : .failed(Errno(error.code.errno))
        }
        guard let found else { return .unwanted }
        do throws(Errno) {
            let file = SharedDescriptor(owning: found.descriptor)
            return .opened(try opened(instance, file, found.version, found.wasKnown))
        } catch {
            return .failed(error)
        }
    }

    private func isWanted(_ instance: Int64) -> Bool {
        let waiting = withShard(of: instance) { $0.opening[instance]?.waiting ?? [] }
        return waiting.contains { $0.isWanted() }
    }

    /// What is there of an image when one of its files was found good.
    private enum Existing: Sendable {
        case usable(Opened)
        /// The kernel has another file as its backing file.
        case conflict(Entry)
        case nothing
    }

    /// Makes an entry of a file that was found good, unless the image is open from another.
    ///
    /// - Throws: EIO when the kernel reads the image from a file that is bad now.
    private func opened(
        _ instance: Int64, _ descriptor: SharedDescriptor, _ version: VerifiedBlob, _ wasKnown: Bool
    ) throws(Errno) -> Opened {
        while true {
            switch existing(instance, descriptor, version, wasKnown) {
            case .usable(let opened): return opened
            case .conflict(let entry): try stillGood(entry)
            case .nothing: return new(descriptor, version, wasKnown)
            }
        }
    }

    private func existing(
        _ instance: Int64, _ descriptor: SharedDescriptor, _ version: VerifiedBlob, _ wasKnown: Bool
    ) -> Existing {
        withShard(of: instance) { shard -> Existing in
            guard let entry = shard.entries[instance] else { return .nothing }
            let isSame = !entry.isStale && entry.version.isSameFile(as: version)
            if isSame { shard.entries[instance]?.version = version }
            switch entry.source {
            case _ where entry.opens == 0 && !isSame:
                shard.drop(instance)
                return .nothing
            case .descriptor(let open, _) where isSame:
                shard.use(instance)
                let source = Source.descriptor(open, keepsCache: wasKnown)
                return .usable(
                    Opened(source: source, ordinal: version.volumeOrdinal, disk: version.disk))
            case .backing where isSame || entry.isVerifiedAgain || !archive.isThere(entry.version):
                // Without its volume the bytes are as good as they were.
                shard.entries[instance]?.isVerifiedAgain = false
                shard.use(instance)
                return .usable(
                    Opened(
                        source: entry.source, ordinal: entry.version.volumeOrdinal,
                        disk: entry.version.disk))
            case .backing: return .conflict(entry)
            case .descriptor, .direct:
                return .usable(
                    Opened(
                        source: .direct(descriptor), ordinal: version.volumeOrdinal,
                        disk: version.disk, isShared: false))
            }
        }
    }

    /// Reads the backing file of an image that is open, when its blob is another file now: its
    /// bytes may be those that were bad.
    ///
    /// - Throws: EIO when they are.
    private func stillGood(_ entry: Entry) throws(Errno) {
        guard archive.isGood(entry.descriptor.number, as: entry.version) else { throw Errno(EIO) }
        withShard(of: entry.version.instance) { shard in
            shard.entries[entry.version.instance]?.isVerifiedAgain = true
        }
    }

    private func new(
        _ descriptor: SharedDescriptor, _ version: VerifiedBlob, _ wasKnown: Bool
    ) -> Opened {
        var entry = Entry(
            source: .descriptor(descriptor, keepsCache: true), descriptor: descriptor,
            version: version, opens: 1)
        if let backing, let id = try? backing.register(descriptor.number) {
            entry.source = .backing(id)
            return added(entry)
        }
        var new = added(entry)
        // The file it was read from before may have been bad, and another volume's be good.
        new.source = .descriptor(descriptor, keepsCache: wasKnown)
        return new
    }

    private func added(_ entry: Entry) -> Opened {
        let instance = entry.version.instance
        withShard(of: instance) { $0.entries[instance] = entry }
        return Opened(
            source: entry.source, ordinal: entry.version.volumeOrdinal, disk: entry.version.disk)
    }

    /// Answers all who wait for an image, unless another thread has taken over.
    private func finish(_ instance: Int64, _ attempt: Int, _ result: Result<Opened, Errno>) {
        let waiting = withShard(of: instance) { shard -> [Waiting]? in
            guard shard.opening[instance]?.attempt == attempt else { return nil }
            let waiting = shard.opening.removeValue(forKey: instance)?.waiting ?? []
            if case .success(let opened) = result, opened.isShared {
                shard.use(instance, times: waiting.count - 1)
            }
            return waiting
        }
        let answer = result.map {
            OpenImage(
                instance: instance, source: $0.source, lane: lanes[$0.ordinal], disk: $0.disk)
        }
        guard let waiting else {
            if case .success(let image) = answer { close(image) }
            return
        }
        for request in waiting { request.completion(answer) }
    }

    /// Those that waited have gone. Others may have come since: for them it begins again.
    private func giveUp(_ instance: Int64, _ attempt: Int) {
        let (gone, isWanted) = withShard(of: instance) { shard -> ([Waiting], Bool) in
            guard shard.opening[instance]?.attempt == attempt else { return ([], false) }
            var gone = shard.opening.removeValue(forKey: instance)?.waiting ?? []
            let end = gone.partition { $0.isWanted() }
            let staying = Array(gone[end...])
            gone.removeSubrange(end...)
            if !staying.isEmpty {
                shard.opening[instance] = Opening(waiting: staying, attempt: attempt + 1)
            }
            return (gone, !staying.isEmpty)
        }
        for request in gone { request.completion(.failure(Errno(EINTR))) }
        if isWanted { open(instance, nil, attempt: attempt + 1) {} }
    }

    // MARK: Reading

    /// READ by the daemon: the file, and where it is. When the disk of the open file was given up,
    /// from another copy.
    ///
    /// - Throws: EIO when there is none, or the kernel reads the image by itself.
    func reading(_ image: OpenImage) throws(Errno) -> (SharedDescriptor, DiskCalls?) {
        guard let own = image.descriptor else { throw Errno(EIO) }
        guard let disk = image.disk, disk.hasGivenUp else { return (own, image.disk) }
        let kept = elsewhere.withLock { $0[image.instance] }
        if let kept, kept.1?.hasGivenUp != true { return kept }
        let found = try Errno.from { try archive.openBlob(of: image.instance) }
        let opened = (SharedDescriptor(owning: found.descriptor), found.version.disk)
        elsewhere.withLock { $0[image.instance] = opened }
        return opened
    }

    // MARK: Letting go

    func close(_ image: OpenImage) {
        if image.disk?.hasGivenUp == true {
            elsewhere.withLock { _ = $0.removeValue(forKey: image.instance) }
        }
        // Read from a file of its own, which is not among the entries.
        if case .direct = image.source { return }
        let instance = image.instance
        withShard(of: instance) { shard in
            guard let entry = shard.entries[instance] else { return }
            shard.entries[instance]?.opens -= 1
            guard entry.opens == 1 else { return }
            if entry.isStale || !archive.isThere(entry.version) { return shard.drop(instance) }
            shard.unused.append(instance)
            if shard.unused.count > kept { shard.drop(shard.unused[0]) }
        }
    }

    /// Forgets the files of a volume that went, so that its disk can be unmounted; those that
    /// are open when they are closed.
    func lost(volume: Int) {
        for shard in shards {
            withShard(shard) { shard in
                for (instance, entry) in shard.entries where entry.version.volumeOrdinal == volume {
                    if entry.opens > 0 {
                        shard.entries[instance]?.isStale = true
                    } else {
                        shard.drop(instance)
                    }
                }
            }
        }
    }

    /// Forgets the file of an image whose blob was replaced by a good one; programs that have it
    /// open keep it until they close it.
    ///
    /// - Parameter instance: `instance.id`.
    func replaced(_ instance: Int64) {
        withShard(of: instance) { shard in
            // While it is open, the next OPEN finds out that the file is another.
            if shard.entries[instance]?.opens == 0 { shard.drop(instance) }
        }
    }
}
