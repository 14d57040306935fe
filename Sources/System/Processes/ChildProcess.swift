import CLinux
import Glibc

/// A program that this process runs, in a process group of its own. It inherits nothing but the
/// variables and the bytes that it is given.
///
/// When its owner lets go of it, it is killed with everything that it started.
///
/// See: 'man 3 posix_spawn', 'man 2 pidfd_open'
public final class ChildProcess: Sendable {
    /// How a program ended.
    public enum Ending: Hashable, Sendable {
        /// By itself, with this code.
        case exited(Int32)
        /// A signal ended it.
        case killed(Int32)
    }

    /// What a program has written.
    public enum Piece {
        case output(UnsafeRawBufferPointer)
        case errors(UnsafeRawBufferPointer)
    }

    /// How long a program may take, in nanoseconds.
    public struct Patience: Sendable {
        /// Without writing anything; `nil` for as long as it likes.
        public var silence: Int64?
        /// In all; `nil` for as long as it likes.
        public var whole: Int64?

        public init(silence: Int64? = nil, whole: Int64? = nil) {
            self.silence = silence
            self.whole = whole
        }
    }

    /// Its number, which is that of its process group too.
    public let process: pid_t
    private let output: SharedDescriptor
    private let errors: SharedDescriptor
    /// Readable once it has ended.
    private let watch: SharedDescriptor
    private let ending = Lock<Ending?>(nil)

    /// Starts a program.
    ///
    /// - Parameters:
    ///   - arguments: Its name or path, then its arguments. A name is looked up in `PATH` of this
    ///     process.
    ///   - variables: Its whole environment.
    ///   - input: What it can read from its standard input.
    /// - Throws: `ENOENT` when there is no such program; `EMFILE` and the like.
    public init(
        _ arguments: [String], variables: [String: String], input: [UInt8] = []
    ) throws(Errno) {
        let (reader, writer) = try Self.pipe()
        let (errorReader, errorWriter) = try Self.pipe()
        let content = try Self.file(with: input)
        process = try Self.spawn(
            arguments, variables: variables,
            descriptors: [0: content.number, 1: writer.number, 2: errorWriter.number])
        let process = process
        do throws(Errno) {
            watch = SharedDescriptor(owning: try systemCall { pidfd_open(process, 0) })
        } catch {
            kill(-process, SIGKILL)
            var status: Int32 = 0
            _ = try? systemCall { waitpid(process, &status, 0) }
            throw error
        }
        output = reader
        errors = errorReader
    }

    deinit { end(after: 0) }

    /// A pipe whose reading end does not wait.
    private static func pipe() throws(Errno) -> (SharedDescriptor, SharedDescriptor) {
        let (reader, writer) = try SharedDescriptor.pipe()
        try systemCall { fcntl(reader.number, F_SETFL, O_NONBLOCK) }
        return (reader, writer)
    }

    /// A file without a name, from whose start a program reads.
    private static func file(with bytes: [UInt8]) throws(Errno) -> Descriptor {
        let file = Descriptor(
            owning: try systemCall { memfd_create("input", UInt32(PACSFS_MFD_CLOEXEC)) })
        let number = file.number
        try bytes.span.bytes.withUnsafeBytes { (bytes) throws(Errno) in
            try FileIO.write(number, bytes, at: 0)
        }
        return file
    }

    /// Calls `body` with everything that the program writes, until it has ended. Of what it
    /// started and left running nothing remains either. To be called once, by one thread.
    ///
    /// - Parameters:
    ///   - patience: The program is ended when it takes longer.
    ///   - grace: Nanoseconds that it has to end when it is asked to.
    ///   - isWanted: Asked every second in which the program writes nothing; the program is ended
    ///     when it is not wanted any more.
    ///   - body: What it throws ends the program.
    /// - Returns: How it ended; `nil` when it was ended because it took too long, or nobody wanted
    ///   it.
    /// - Throws: What `body` throws.
    public func run<Failure: Error>(
        patience: Patience = Patience(), grace: Int64 = 5_000_000_000,
        isWanted: (() -> Bool)? = nil, _ body: (Piece) throws(Failure) -> Void
    ) throws(Failure) -> Ending? {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 16)
        defer { buffer.deallocate() }
        let end = patience.whole.map { SystemClock().now + $0 }
        var open = [output.number, errors.number]
        while true {
            let silence = patience.silence.map { SystemClock().now + $0 }
            let hasEnded = wait(
                for: open, until: [end, silence].compactMap(\.self).min(), isWanted)
            guard let hasEnded else {
                self.end(after: grace)
                return nil
            }
            do throws(Failure) {
                for number in open where try !drain(number, buffer, whole: hasEnded, body) {
                    open.removeAll { $0 == number }
                }
            } catch {
                self.end(after: grace)
                throw error
            }
            if hasEnded { return self.end(after: grace) }
        }
    }

    /// Waits until there is something to read, or the program has ended.
    ///
    /// - Returns: Whether it has ended; `nil` when the moment came first, or nobody wants it.
    private func wait(
        for open: [Int32], until moment: Int64?, _ isWanted: (() -> Bool)? = nil
    ) -> Bool? {
        var polled = (open + [watch.number]).map {
            pollfd(fd: $0, events: Int16(POLLIN), revents: 0)
        }
        while true {
            let left = moment.map { max(0, $0 - SystemClock().now) }
            var pause = left.map { Int32(clamping: ($0 + 999_999) / 1_000_000) } ?? -1
            if isWanted != nil { pause = pause < 0 ? 1000 : min(pause, 1000) }
            let count = (try? systemCall { poll(&polled, nfds_t(polled.count), pause) }) ?? 0
            if count > 0 { return polled[polled.count - 1].revents != 0 }
            if left == 0 { return nil }
            if let isWanted, !isWanted() { return nil }
        }
    }

    /// Reads what is there: one buffer, or everything.
    ///
    /// - Returns: Whether more may come.
    private func drain<Failure: Error>(
        _ number: Int32, _ buffer: UnsafeMutableRawBufferPointer, whole: Bool,
        _ body: (Piece) throws(Failure) -> Void
    ) throws(Failure) -> Bool {
        repeat {
            let count: Int
            do throws(Errno) {
                count = try systemCall { read(number, buffer.baseAddress, buffer.count) }
            } catch {
                return error.code == EAGAIN
            }
            if count == 0 { return false }
            let bytes = UnsafeRawBufferPointer(rebasing: buffer.prefix(count))
            try body(number == output.number ? .output(bytes) : .errors(bytes))
        } while whole
        return true
    }

    /// Sends a signal to the program and all that it started. From any thread; nothing happens
    /// when it has ended.
    public func signal(_ number: Int32 = SIGTERM) {
        // Not waited for yet, so the number of the group is still its own.
        ending.withLock { if $0 == nil { kill(-process, number) } }
    }

    /// Ends the program, at once if it does not do so itself.
    @discardableResult
    private func end(after grace: Int64) -> Ending {
        if let ending = ending.withLock({ $0 }) { return ending }
        if grace > 0 {
            signal(SIGTERM)
            _ = wait(for: [], until: SystemClock().now + grace)
        }
        // What it started too, whether or not it has ended itself.
        signal(SIGKILL)
        _ = wait(for: [], until: nil)
        return ending.withLock { ending in
            if let ending { return ending }
            var status: Int32 = 0
            _ = try? systemCall { waitpid(process, &status, 0) }
            // wait(2): the low seven bits are the signal, the next eight the exit code.
            let result: Ending =
                status & 0x7F == 0 ? .exited(status >> 8 & 0xFF) : .killed(status & 0x7F)
            ending = result
            return result
        }
    }
}
