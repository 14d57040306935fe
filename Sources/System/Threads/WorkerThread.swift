import CLinux
import Glibc

/// A thread with a name that runs one closure.
///
/// See: 'man 3 pthread_create'
public final class WorkerThread: Sendable {
    private let hasEnded: Monitor<Bool>

    private final class Start: Sendable {
        let name: String
        let body: @Sendable () -> Void
        let hasEnded: Monitor<Bool>

        init(_ name: String, _ hasEnded: Monitor<Bool>, _ body: @escaping @Sendable () -> Void) {
            (self.name, self.hasEnded, self.body) = (name, hasEnded, body)
        }
    }

    /// Bytes; libraries such as SQLite and libarchive stay far below it.
    private static let stackSize = 1 << 20

    /// Starts the thread.
    ///
    /// - Parameters:
    ///   - name: Shown by `ps -L` and debuggers, of which the kernel keeps 15 bytes.
    ///   - body: Released when it has returned.
    /// - Throws: `EAGAIN` when the system has no room for another thread.
    public init(_ name: String, _ body: @escaping @Sendable () -> Void) throws(Errno) {
        let hasEnded = Monitor(false)
        self.hasEnded = hasEnded
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setstacksize(&attributes, Self.stackSize)
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        let start = Unmanaged.passRetained(Start(name, hasEnded, body))
        var thread = pthread_t()
        let error = pthread_create(
            &thread, &attributes,
            { argument in
                guard let argument else { return nil }
                WorkerThread.run(Unmanaged<Start>.fromOpaque(argument))
                return nil
            }, start.toOpaque())
        if error != 0 {
            start.release()
            throw Errno(error)
        }
    }

    private static func run(_ start: Unmanaged<Start>) {
        let hasEnded: Monitor<Bool>
        do {
            // The closure, and all it holds, is released before the end is announced.
            let start = start.takeRetainedValue()
            hasEnded = start.hasEnded
            var name = Array(start.name.utf8.prefix(15))
            while String(validating: name, as: UTF8.self) == nil { name.removeLast() }
            _ = name.withCString { pthread_setname_np(pthread_self(), $0) }
            start.body()
        }
        hasEnded.withLock(waking: .all) { $0 = true }
    }

    /// Waits until the closure has returned.
    public func join() { hasEnded.wait { $0 ? () : nil } }
}

/// Threads of one subject, by kind, that can be waited for.
public final class ThreadGroup: Sendable {
    private let threads = Lock<[String: [WorkerThread]]>([:])

    public init() {}

    /// Starts a thread. For threads that a subject cannot do without: if the system has no room
    /// for it, the process ends, with a message.
    ///
    /// - Parameters:
    ///   - name: Its first word is the kind that ``wait(for:)`` takes.
    public func start(_ name: String, _ body: @escaping @Sendable () -> Void) {
        let kind = String(name.prefix { $0 != " " })
        do throws(Errno) {
            let thread = try WorkerThread(name, body)
            threads.withLock { $0[kind, default: []].append(thread) }
        } catch {
            fatalError("cannot start the thread \"\(name)\": \(error)")
        }
    }

    /// Waits until all threads of a kind that were started before have ended.
    public func wait(for kind: String) {
        let threads = threads.withLock { $0.removeValue(forKey: kind) ?? [] }
        for thread in threads { thread.join() }
    }
}

/// Calls `body` for each element at once, each on a thread of its own, and waits for all.
///
/// The calling thread takes the first element, and those for which the system has no room for a
/// thread.
///
/// - Returns: The result or the error of each call, in the order of `elements`.
public func onAll<Element: Sendable, R: Sendable, Failure: Error>(
    _ elements: [Element], _ body: @escaping @Sendable (Element) throws(Failure) -> R
) -> [Result<R, Failure>] {
    @Sendable func result(_ element: Element) -> Result<R, Failure> {
        do throws(Failure) {
            return .success(try body(element))
        } catch {
            return .failure(error)
        }
    }
    guard elements.count > 1 else { return elements.map(result) }
    let results = ResultBoard<R, Failure>(count: elements.count)
    var own = [0]
    var threads: [WorkerThread] = []
    for index in elements.indices.dropFirst() {
        let element = elements[index]
        let thread = try? WorkerThread("each \(index)") { results[index] = result(element) }
        if let thread { threads.append(thread) } else { own.append(index) }
    }
    for index in own { results[index] = result(elements[index]) }
    for thread in threads { thread.join() }
    return results.all
}

/// Where the threads of one ``onAll(_:_:)`` leave their results.
private final class ResultBoard<R: Sendable, Failure: Error>: Sendable {
    private let results: Lock<[Result<R, Failure>?]>

    init(count: Int) { results = Lock(Array(repeating: nil, count: count)) }

    subscript(index: Int) -> Result<R, Failure> {
        get { results.withLock { $0[index]! } }
        set { results.withLock { $0[index] = newValue } }
    }

    var all: [Result<R, Failure>] { results.withLock { $0.compactMap(\.self) } }
}
