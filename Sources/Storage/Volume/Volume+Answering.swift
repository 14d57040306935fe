import System

// Whoever uses a volume waits for its disk no longer than the archive is patient: see DiskPatience.
// Each public call on a volume is one on its disk; a volume without ``Volume/calls``, as commands
// open it that have nothing else to do, waits as long as it takes.
extension Volume {
    /// Whether its disk did not answer once. Then every call on it fails at once; when the disk
    /// answers again, it is opened anew.
    public var hasGivenUp: Bool { calls?.hasGivenUp ?? false }

    /// Calls `body`, which uses the disk of this volume.
    ///
    /// - Parameters:
    ///   - source: The disk of another volume, which is read.
    ///   - isLastTry: Whether it may be done although the disk was given up: to read a file that
    ///     is nowhere else yet.
    /// - Throws: What `body` throws; `notAnswering` when the disk does not answer.
    public func onDisk<R: Sendable>(
        reading source: DiskCalls? = nil, isLastTry: Bool = false,
        _ body: @escaping @Sendable () throws(StorageError) -> R
    ) throws(StorageError) -> R {
        try Self.on(calls, at: path, reading: source, isLastTry: isLastTry, body)
    }

    /// Calls `body` for each element at once, each on the disk of its volume, and waits for all
    /// whose disks answer.
    ///
    /// - Returns: The result or the error of each call, in the order of `elements`.
    public static func onAll<Element: Sendable, R: Sendable>(
        _ elements: [Element], _ volume: (Element) -> Volume,
        _ body: @escaping @Sendable (Element) throws(StorageError) -> R
    ) -> [Result<R, StorageError>] {
        let volumes = elements.map(volume)
        guard elements.count > 1, let patience = volumes.lazy.compactMap(\.calls).first?.patience
        else {
            return zip(volumes, elements).map { volume, element in
                Result { () throws(StorageError) in
                    try volume.onDisk { () throws(StorageError) in try body(element) }
                }
            }
        }
        let pending = zip(volumes, elements).map { volume, element in
            patience.begin(
                otherwise: { [path = volume.path] in
                    .notAnswering(path, after: patience.limit)
                }
            ) { () throws(StorageError) in
                try volume.onDisk { () throws(StorageError) in try body(element) }
            }
        }
        return pending.map { call in Result { () throws(StorageError) in try call.wait() } }
    }

    static func on<R: Sendable>(
        _ disk: DiskCalls?, at path: String, reading source: DiskCalls? = nil,
        isLastTry: Bool = false, _ body: @escaping @Sendable () throws(StorageError) -> R
    ) throws(StorageError) -> R {
        guard let disk else { return try body() }
        return try disk.call(
            reading: source, isLastTry: isLastTry,
            otherwise: { .notAnswering(path, after: disk.patience.limit) }, body)
    }

    /// The same for a file that `body` opens.
    func opening(
        _ body: @escaping @Sendable () throws(StorageError) -> Descriptor
    ) throws(StorageError) -> Descriptor {
        try Self.opening(on: calls, at: path, body)
    }

    static func opening(
        on disk: DiskCalls?, at path: String,
        _ body: @escaping @Sendable () throws(StorageError) -> Descriptor
    ) throws(StorageError) -> Descriptor {
        guard let disk else { return try body() }
        let number = try on(disk, at: path) { () throws(StorageError) in
            PassedDescriptor(try body())
        }.take()
        guard let number else { throw .notAnswering(path, after: disk.patience.limit) }
        return Descriptor(owning: number)
    }
}

/// A descriptor on its way from one thread to another, closed if nobody takes it.
private final class PassedDescriptor: Sendable {
    private let number: Lock<Int32?>

    init(_ descriptor: consuming Descriptor) {
        let released = descriptor.release()
        number = Lock(released)
    }

    func take() -> Int32? { number.withLock { $0.take() } }

    deinit { if let number = take() { _ = Descriptor(owning: number) } }
}

extension StorageError {
    /// - Parameter patience: How long a call on the disk has waited, ns.
    public static func notAnswering(_ path: String, after patience: Int64) -> StorageError {
        StorageError(
            .notAnswering,
            "the disk does not answer: a call on it has not returned for \(seconds(patience))",
            path: path,
            remedy:
                """
                See dmesg, and look at the disk, its cable and its power; pacsfs takes the volume \
                up again by itself
                """)
    }

    private static func seconds(_ time: Int64) -> String {
        let tenths = (time + 50_000_000) / 100_000_000
        let fraction = tenths % 10 == 0 ? "" : ".\(tenths % 10)"
        return "\(tenths / 10)\(fraction) seconds"
    }
}
