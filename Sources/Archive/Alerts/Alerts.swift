import Foundation
import Glibc
import Logging
import Storage
import System

/// Tells somebody when the state of the archive changes, by the `alert_command` of `pacsfs.toml`;
/// and says to `ping_url` that all is well, as long as it is.
///
///     look, every minute ─► what is wrong has lasted for a minute ─┐
///                        ─► what was wrong has gone for 5 minutes ─┴► command ─► alerts.json
///
/// A thing counts as reported when the command has ended well: it is reported once, and once more
/// after a crash in between. A command that fails is tried again after growing pauses
/// (``GrowingPause``); `status` says so.
final class Alerts: Sendable {
    private struct State {
        var memory: AlertMemory
        /// When each condition that was not reported yet was first seen, monotonic ns.
        var began: [String: Int64] = [:]
        /// Since when those that were reported are over, monotonic ns.
        var ended: [String: Int64] = [:]
        /// When the command may be tried again.
        var next: Int64 = 0
        var failures = 0
        var nextPing: Int64 = 0
        var report = ArchiveStatus.Alerts()
    }

    private static let minute: Int64 = 60_000_000_000
    /// How long a thing must last before it is reported, ns.
    private static let lasting = minute
    /// How long it must be over before that is reported, ns.
    private static let over = 5 * minute
    private static let betweenPings = 5 * minute

    private let core: ArchiveCore
    private let status: @Sendable () throws -> ArchiveStatus
    private let command: AlertCommand
    private let loop: BackgroundLoop
    private let state: Lock<State>

    /// - Parameters:
    ///   - patience: How long a command may take, ns.
    ///   - status: Of the archive, without what ``report`` says.
    init(
        _ core: ArchiveCore, patience: Int64 = 60_000_000_000,
        status: @escaping @Sendable () throws -> ArchiveStatus
    ) {
        self.core = core
        self.status = status
        command = AlertCommand(patience: patience)
        loop = BackgroundLoop("alerts", clock: core.clock)
        state = Lock(State(memory: AlertMemory(of: core.path)))
    }

    /// Works in the background until ``stop()``.
    func start() throws(Errno) {
        try loop.start(first: .after(Self.minute / 6)) { [self] in
            look()
            return .after(Self.minute)
        }
    }

    func stop() {
        loop.stop()
        command.stop()
        loop.stopAndWait()
    }

    /// What `status` says of them.
    var report: ArchiveStatus.Alerts {
        let settings = core.settings
        return state.withLock { state in
            var report = state.report
            report.isConfigured = settings.alertCommand != nil
            report.last = state.memory.last
            let problem = state.memory.problem
            report.problem = settings.alertCommand == nil || problem.isEmpty ? nil : problem
            if settings.pingURL == nil { (report.pinged, report.pingProblem) = (nil, nil) }
            return report
        }
    }

    /// Looks what is so, tells what is new, and calls `ping_url` when it is time.
    func look() {
        let settings = core.settings
        guard settings.alertCommand != nil || settings.pingURL != nil else { return }
        let (now, time) = (core.clock.now, Timestamp(nanoseconds: core.clock.utc))
        let status: ArchiveStatus
        let conditions: [AlertCondition]
        do {
            status = try self.status()
            conditions = AlertCondition.all(
                status, silence: try IntakeSilence.all(in: core.index, at: time.nanoseconds),
                scrubDays: settings.scrubDays)
        } catch {
            return core.log.error("Nobody can be alerted, because the status is unknown: \(error)")
        }
        if let line = settings.alertCommand {
            tell(conditions, status, by: line, at: now, time)
        }
        if let url = settings.pingURL, status.health.level == .safe, report.problem == nil,
            !loop.isStopping
        {
            ping(url, at: now, time)
        }
    }

    // MARK: The command

    private func tell(
        _ conditions: [AlertCondition], _ status: ArchiveStatus, by line: String, at now: Int64,
        _ time: Timestamp
    ) {
        let due = state.withLock { state in Self.due(conditions, &state, at: now) }
        guard let due else { return }
        let message = AlertMessage(
            new: due.new.map(\.text), over: due.over.map(\.text), still: due.still.map(\.text),
            status, host: Self.host)
        // The shell gets it as a parameter, and reads nothing of it as a command.
        let problem = command.run(
            ["/bin/sh", "-c", line, "alert_command", message.subject], input: message.text,
            variables: [
                "PACSFS_LEVEL": status.health.level.rawValue, "PACSFS_ARCHIVE": core.path,
            ])
        if loop.isStopping, problem != nil { return }
        let memory = state.withLock { state -> AlertMemory in
            if let problem {
                state.failures += 1
                state.next = now + GrowingPause.after(state.failures)
                state.memory.problem = problem
                return state.memory
            }
            (state.failures, state.next) = (0, 0)
            (state.memory.problem, state.memory.last) = ("", time)
            for condition in due.new {
                state.memory.told[condition.key] = .init(text: condition.text, time: time)
                state.began[condition.key] = nil
            }
            for condition in due.over {
                state.memory.told[condition.key] = nil
                state.ended[condition.key] = nil
            }
            return state.memory
        }
        if let problem {
            core.log.error("The alert_command has failed. \(problem)")
        } else {
            core.log.notice("Alerted: \(message.subject)")
        }
        do { try memory.keep(in: core.path) } catch {
            core.log.error("What was alerted cannot be kept, and may be alerted again: \(error)")
        }
    }

    private typealias Due = (
        new: [AlertCondition], over: [AlertCondition], still: [AlertCondition]
    )

    /// What is to be reported now; `nil` when there is nothing, or it is not time.
    private static func due(
        _ conditions: [AlertCondition], _ state: inout State, at now: Int64
    ) -> Due? {
        let keys = Set(conditions.map(\.key))
        for key in keys {
            if state.memory.told[key] == nil, state.began[key] == nil { state.began[key] = now }
            state.ended[key] = nil
        }
        for key in state.began.keys where !keys.contains(key) { state.began[key] = nil }
        for key in state.memory.told.keys where !keys.contains(key) {
            if state.ended[key] == nil { state.ended[key] = now }
        }
        guard now >= state.next else { return nil }
        let began = state.began
        let new = conditions.filter { began[$0.key].map { now - $0 >= Self.lasting } ?? false }
        let told = state.memory.told
        let over = state.ended.filter { now - $0.value >= Self.over }.keys.sorted().compactMap {
            key in
            told[key].map { AlertCondition(key: key, text: $0.text) }
        }
        // A command that has failed is tried again, also when it would have nothing more to say.
        guard !new.isEmpty || !over.isEmpty || !state.memory.problem.isEmpty else { return nil }
        return (new, over, conditions.filter { told[$0.key] != nil })
    }

    private static let host: String = {
        var name = [CChar](repeating: 0, count: 256)
        guard gethostname(&name, 255) == 0 else { return "this machine" }
        return String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }()

    // MARK: The ping

    private func ping(_ url: String, at now: Int64, _ time: Timestamp) {
        let isDue = state.withLock { state in
            guard now >= state.nextPing else { return false }
            state.nextPing = now + Self.betweenPings
            return true
        }
        guard isDue else { return }
        // By its configuration, since others see arguments; an address may be a secret.
        let problem = command.run(
            ["curl", "--config", "-"],
            input: """
                url = "\(url)"
                fail
                silent
                show-error
                location
                max-time = 30
                output = "/dev/null"

                """)
        if loop.isStopping { return }
        let wasKnown = state.withLock { state in
            defer { state.report.pingProblem = problem }
            if problem == nil { state.report.pinged = time }
            return state.report.pingProblem != nil
        }
        if let problem, !wasKnown { core.log.warning("ping_url was not reached. \(problem)") }
    }
}
