import Foundation
import Glibc
import System

/// The result of a program that has ended.
public struct ProgramRun: Sendable {
    /// Its exit code; 128 and the signal's number when a signal ended it, as shells say it.
    public let code: Int32
    public let outputBytes: [UInt8]
    public let errorBytes: [UInt8]
    /// The command line, for messages.
    public let command: String
    public let timedOut: Bool

    public var output: String { String(decoding: outputBytes, as: UTF8.self) }
    public var errors: String { String(decoding: errorBytes, as: UTF8.self) }
    public var succeeded: Bool { code == 0 && !timedOut }

    /// The lines of its output.
    public var lines: [String] {
        output.split(separator: "\n", omittingEmptySubsequences: false).dropLast().map(String.init)
    }

    /// Everything about it, for a test that fails.
    public var report: String {
        """
        \(command)
        \(timedOut ? "was killed: it took too long" : "ended with \(code)")
        \(output.suffix(2000))\(errors.suffix(2000))
        """
    }
}

extension ProgramRun {
    /// Its output, read as JSON; `snake_case` keys are for `camelCase` properties.
    public func json<T: Decodable>(_ type: T.Type) throws -> T {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        do { return try decoder.decode(type, from: Data(outputBytes)) } catch {
            throw ProgramError(description: "\(report)\n\(error)")
        }
    }
}

/// A program that could not be started, or failed in a way that a test cannot accept.
public struct ProgramError: Error, CustomStringConvertible {
    public let description: String

    public init(description: String) { self.description = description }
}

extension ProgramRun {
    /// Runs a program and waits for it. It inherits nothing of this process: no descriptors but
    /// an empty input, no variables but those given, `PATH` and `TSAN_OPTIONS`, and a process group
    /// of its own, which is killed as a whole when the time is over.
    ///
    /// - Parameters:
    ///   - arguments: The program's name or path, then its arguments.
    ///   - directory: Where it runs.
    ///   - timeout: How long it may take, in seconds.
    public init(
        _ arguments: [String], in directory: String = "/", environment: [String: String] = [:],
        timeout: Double = 60
    ) throws {
        let (process, output, errors) = try Self.start(
            arguments, in: directory, environment: environment)
        let end = Self.now() + timeout
        var bytes: [[UInt8]] = [[], []]
        let isComplete = Self.drain([output.number, errors.number], into: &bytes, until: end)
        var code = isComplete ? Self.wait(for: process, until: end) : nil
        let timedOut = code == nil
        if timedOut {
            // A program that hangs in the kernel cannot be waited for; init will.
            kill(-process, SIGKILL)
            code = Self.wait(for: process, until: Self.now() + 5)
        }
        self.init(
            code: code ?? -1, outputBytes: bytes[0], errorBytes: bytes[1],
            command: arguments.joined(separator: " "), timedOut: timedOut)
    }

    /// - Returns: The process, and where its output and its errors are read.
    private static func start(
        _ arguments: [String], in directory: String, environment: [String: String]
    ) throws -> (pid_t, output: SharedDescriptor, errors: SharedDescriptor) {
        var variables = ["LC_ALL": "C.UTF-8", "TZ": "UTC"]
        if let path = getenv("PATH") { variables["PATH"] = String(cString: path) }
        // Where a daemon built for the thread sanitizer reports: see Scripts/test.
        if let options = getenv("TSAN_OPTIONS") {
            variables["TSAN_OPTIONS"] = String(cString: options)
        }
        variables.merge(environment) { $1 }
        do throws(Errno) {
            let input = try Descriptor(opening: "/dev/null", O_RDONLY)
            let (output, errors) = (try SharedDescriptor.pipe(), try SharedDescriptor.pipe())
            defer { withExtendedLifetime((output, errors)) {} }
            // env(1) changes to the directory, and looks the program up in PATH.
            let process = try ChildProcess.spawn(
                ["env", "-C", directory, "--"] + arguments, variables: variables,
                descriptors: [0: input.number, 1: output.writer.number, 2: errors.writer.number])
            return (process, output.reader, errors.reader)
        } catch {
            throw ProgramError(description: "\(arguments[0]) could not be started: \(error)")
        }
    }

    /// Reads until the ends of all, or until the time is over: then `false`.
    private static func drain(
        _ descriptors: [Int32], into bytes: inout [[UInt8]], until end: Double
    ) -> Bool {
        var polled = descriptors.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        var buffer = [UInt8](repeating: 0, count: 65536)
        while polled.contains(where: { $0.fd >= 0 }) {
            let left = end - now()
            guard left > 0 else { return false }
            guard poll(&polled, nfds_t(polled.count), Int32(left * 1000) + 1) > 0 else { continue }
            for index in polled.indices where polled[index].revents != 0 {
                let count = read(polled[index].fd, &buffer, buffer.count)
                if count > 0 {
                    bytes[index].append(contentsOf: buffer[..<count])
                } else if count == 0 || errno != EINTR {
                    polled[index].fd = -1
                }
            }
        }
        return true
    }

    private static func wait(for process: pid_t, until end: Double) -> Int32? {
        var status: Int32 = 0
        var pause: useconds_t = 200
        while true {
            let result = waitpid(process, &status, WNOHANG)
            // wait(2): the low seven bits are the signal, the next eight the exit code.
            if result == process {
                return status & 0x7f == 0 ? status >> 8 & 0xff : 128 + status & 0x7f
            }
            if result < 0, errno != EINTR { return -1 }
            guard now() < end else { return nil }
            usleep(pause)
            pause = min(pause * 2, 10_000)
        }
    }

    /// Seconds on a clock that is never set.
    public static func now() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}

/// The text of `errno`.
public var lastError: String { String(cString: strerror(errno)) }
