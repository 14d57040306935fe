import Glibc
import Storage
import System

/// One run of rclone.
package final class RcloneJob: Sendable {
    private let child: ChildProcess
    private let patience: ChildProcess.Patience
    private let what: String

    /// What has become of it.
    package struct Result {
        var ending: ChildProcess.Ending?
        /// Everything that it said went wrong, in order; the first hundred.
        var messages: [String] = []
        /// What went wrong with single objects.
        var failures: [String: String] = [:]
        /// Objects that rclone has brought over and compared.
        var copied: Set<String> = []
        let what: String

        package var succeeded: Bool { ending == .exited(0) }

        /// - Throws: Why it did not succeed.
        package func check() throws(OffsiteError) {
            if !succeeded { throw error }
        }

        /// Why it did not succeed.
        var error: OffsiteError { RcloneFailure.error(what, ending, messages: messages) }
    }

    private static let mostMessages = 100

    /// Starts rclone.
    ///
    /// - Parameters:
    ///   - arguments: Without secrets.
    ///   - input: What it reads from its standard input.
    ///   - what: What has failed when it fails, as the start of a sentence.
    /// - Throws: `noRclone` when it cannot be started.
    init(
        _ rclone: Rclone, _ arguments: [String], _ environment: RcloneEnvironment,
        input: [UInt8] = [], what: String
    ) throws(OffsiteError) {
        self.what = what
        patience = rclone.patience
        do throws(Errno) {
            child = try ChildProcess(
                [rclone.program] + arguments, variables: environment.variables, input: input)
            // What the practice does on this machine goes first.
            IdlePriority.give(to: child.process)
        } catch {
            throw OffsiteError(
                .noRclone, "rclone cannot be started", path: rclone.program,
                remedy: error.code == ENOENT
                    ? "Install rclone (Debian: apt-get install rclone)." : "See the log.",
                cause: error)
        }
    }

    /// Ends it soon; from any thread.
    func stop() { child.signal(SIGTERM) }

    /// Waits until it has ended.
    ///
    /// - Parameters:
    ///   - isWanted: Asked every second; the run ends when it is not wanted any more.
    ///   - output: Called with what it prints; what it throws ends the run.
    ///   - progress: Called with what it says of its progress.
    /// - Throws: What `output` throws.
    func run(
        isWanted: (() -> Bool)? = nil,
        output: (UnsafeRawBufferPointer) throws(OffsiteError) -> Void = { _ in },
        progress: (TransferProgress) -> Void = { _ in }
    ) throws(OffsiteError) -> Result {
        var result = Result(what: what)
        var log = RcloneLog()
        var last = TransferProgress()
        var moved = SystemClock().now
        func take(_ event: RcloneLog.Event) {
            switch event {
            case .copied(let object):
                result.copied.insert(object)
                moved = SystemClock().now
            case .progress(let state):
                if state != last { moved = SystemClock().now }
                last = state
                progress(state)
                if let isWanted, !isWanted() { stop() }
            case .failed(let object, let message):
                if let object { result.failures[object] = message }
                if result.messages.count < Self.mostMessages { result.messages.append(message) }
            case .more(let words):
                if let last = result.messages.popLast() {
                    result.messages.append("\(last) \(words)")
                }
            case .other: break
            }
        }
        result.ending = try child.run(patience: patience, isWanted: isWanted) {
            (piece) throws(OffsiteError) in
            switch piece {
            case .output(let bytes):
                moved = SystemClock().now
                try output(bytes)
            case .errors(let bytes):
                log.take(bytes, take)
                // It reports every second, whether or not anything moves.
                if let silence = patience.silence, SystemClock().now - moved > silence {
                    throw RcloneFailure.error(what, nil, messages: [])
                }
            }
        }
        log.finish(take)
        return result
    }
}
