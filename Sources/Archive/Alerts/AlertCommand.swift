import Foundation
import Glibc
import System

/// Runs the commands that users name for alerts, and ends those that hang. From any thread.
final class AlertCommand: Sendable {
    /// How long a command may take, ns.
    private let patience: Int64
    private let state = Lock(State())

    private struct State {
        var running: ChildProcess?
        var isStopping = false
    }

    init(patience: Int64) { self.patience = patience }

    /// - Parameters:
    ///   - arguments: The program and its arguments.
    ///   - input: For its standard input.
    ///   - variables: Besides those that every command gets.
    /// - Returns: What was wrong, a sentence; `nil` when it ended well.
    func run(
        _ arguments: [String], input: String, variables: [String: String] = [:]
    ) -> String? {
        let own = ProcessInfo.processInfo.environment.filter {
            ["PATH", "HOME", "LANG", "TZ"].contains($0.key)
        }
        let path = ["PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"]
        let process: ChildProcess
        do throws(Errno) {
            process = try ChildProcess(
                arguments,
                variables: path.merging(own) { $1 }.merging(variables) { $1 },
                input: Array(input.utf8))
        } catch {
            return "It cannot be started: \(error)."
        }
        let isStopping = state.withLock { state in
            if !state.isStopping { state.running = process }
            return state.isStopping
        }
        if isStopping { return "pacsfs is being stopped." }
        defer { state.withLock { $0.running = nil } }
        var said: [UInt8] = []
        let ending = process.run(
            patience: .init(whole: patience), grace: 1_000_000_000
        ) { (piece) throws(Never) in
            switch piece {
            case .output(let bytes), .errors(let bytes):
                said += bytes.prefix(500 - min(500, said.count))
            }
        }
        let words = String(decoding: said, as: UTF8.self).split(whereSeparator: \.isNewline)
            .joined(separator: " ")
        switch ending {
        case .exited(0): return nil
        case .exited(let code):
            return "It ended with code \(code)\(words.isEmpty ? "" : ": \(words)")."
        case .killed(let signal): return "It was ended by signal \(signal)."
        case nil: return "It did not end within \(patience / 1_000_000_000) seconds."
        }
    }

    /// Ends what runs now, and starts nothing any more.
    func stop() {
        let running = state.withLock { state in
            state.isStopping = true
            return state.running
        }
        running?.signal(SIGKILL)
    }
}
