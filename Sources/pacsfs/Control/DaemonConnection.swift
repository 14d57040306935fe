import Archive

/// A connection of a command to the daemon that has an archive.
///
/// Each request has one kind of answer, and any other is an error: a command never goes on as if
/// the daemon had done what it has not.
struct DaemonConnection {
    private let archive: String
    private let connection: ControlConnection

    /// - Returns: `nil` when no daemon has the archive.
    static func connect(archive: String) -> DaemonConnection? {
        ControlConnection.connect(archive: archive).map {
            DaemonConnection(archive: archive, connection: $0)
        }
    }

    /// From now on an answer that does not come in this time counts as none.
    func limit(seconds: Int) { connection.limit(seconds: seconds) }

    /// - Throws: ``CommandError`` with what the daemon says, or why there is no answer.
    func status() throws -> ArchiveStatus {
        try ask(.status) { if case .status(let status) = $0 { status } else { nil } }
    }

    /// - Throws: ``CommandError`` with what the daemon says, or why there is no answer.
    func reload() throws -> ReloadSummary {
        try ask(.reload) { if case .reloaded(let summary) = $0 { summary } else { nil } }
    }

    /// - Throws: ``CommandError`` with what the daemon says, or why there is no answer.
    func importFiles(_ files: [ImportFile]) throws -> [ImportResult] {
        try ask(.importFiles(files)) {
            if case .imported(let results) = $0 { results } else { nil }
        }
    }

    /// - Throws: ``CommandError`` with what the daemon says, or why there is no answer.
    func change(_ request: VolumeRequest) throws -> VolumeChange {
        try ask(.change(request)) { if case .changed(let change) = $0 { change } else { nil } }
    }

    /// - Parameters:
    ///   - volumes: Paths or ordinals; all volumes if there are none.
    ///   - rate: Bytes a second; `nil` for no limit.
    /// - Throws: ``CommandError`` with what the daemon says, or why there is no answer.
    func scrub(_ volumes: [String], rate: Int64?, progress: (ScrubProgress) -> Void) throws
        -> ScrubReport
    {
        try send(.scrub(volumes: volumes, rate: rate))
        while true {
            switch try response() {
            case .scrubbing(let state): progress(state)
            case .scrubbed(let report): return report
            case .failed(let reason): throw CommandError(.refused, reason)
            default: throw foreign(ForeignMessage())
            }
        }
    }

    /// - Throws: ``CommandError`` with what the daemon says, or why there is no answer.
    func addRemote(_ request: RemoteRequest) throws -> AddedRemote {
        try ask(.addRemote(request)) { if case .addedRemote(let added) = $0 { added } else { nil } }
    }

    /// - Throws: ``CommandError`` with what the daemon says, or why there is no answer.
    func forgetRemote(_ name: String) throws {
        try ask(.forgetRemote(name)) { if case .changedRemote = $0 { () } else { nil } }
    }

    /// - Throws: ``CommandError`` with what the daemon says, or why there is no answer.
    func removeRemote(_ name: String) throws {
        try ask(.removeRemote(name)) { if case .changedRemote = $0 { () } else { nil } }
    }

    /// - Returns: Why something did not go, a sentence each.
    /// - Throws: ``CommandError`` with what the daemon says, or why there is no answer.
    func pushRemote(_ name: String, progress: (PushProgress) -> Void) throws -> [String] {
        try send(.pushRemote(name))
        while true {
            switch try response() {
            case .pushing(let state): progress(state)
            case .pushed(let problems): return problems
            case .failed(let reason): throw CommandError(.refused, reason)
            default: throw foreign(ForeignMessage())
            }
        }
    }

    /// - Throws: ``CommandError`` with what the daemon says, or why there is no answer.
    func checkRemote(
        _ name: String, isFetching: Bool, progress: (CheckProgress) -> Void
    ) throws -> RemoteCheckReport {
        try send(.checkRemote(name, isFetching: isFetching))
        while true {
            switch try response() {
            case .checking(let state): progress(state)
            case .checked(let report): return report
            case .failed(let reason): throw CommandError(.refused, reason)
            default: throw foreign(ForeignMessage())
            }
        }
    }

    /// - Throws: ``CommandError`` with what the daemon says, or why there is no answer.
    func testWipe(_ name: String) throws -> ArchiveStatus.Remote.WipeTest {
        try ask(.testWipe(name)) { if case .testedWipe(let test) = $0 { test } else { nil } }
    }

    /// - Parameters:
    ///   - names: Remotes, and paths or ordinals of volumes; all if there are none.
    ///   - isFull: Whether everything is restored.
    /// - Throws: ``CommandError`` with what the daemon says, or why there is no answer.
    func drill(
        _ names: [String], isFull: Bool, progress: (DrillProgress) -> Void
    ) throws -> [DrillReport] {
        try send(.drill(names, isFull: isFull))
        while true {
            switch try response() {
            case .drilling(let state): progress(state)
            case .drilled(let reports): return reports
            case .failed(let reason): throw CommandError(.refused, reason)
            default: throw foreign(ForeignMessage())
            }
        }
    }

    private func ask<Answer>(_ request: ControlRequest, _ answer: (ControlResponse) -> Answer?)
        throws -> Answer
    {
        try send(request)
        let response = try response()
        if case .failed(let reason) = response { throw CommandError(.refused, reason) }
        guard let answer = answer(response) else { throw foreign(ForeignMessage()) }
        return answer
    }

    private func send(_ request: ControlRequest) throws {
        guard connection.send(try ControlProtocol.line(request)) else { throw ended }
    }

    private func response() throws -> ControlResponse {
        guard let line = connection.receive() else { throw ended }
        do {
            return try ControlProtocol.message(ControlResponse.self, in: line)
        } catch {
            throw foreign(error)
        }
    }

    private var ended: CommandError {
        CommandError(
            .noDaemon,
            "The daemon that has \(archive) has ended meanwhile, or is another version of pacsfs",
            remedy: "Run the command again. If that fails too, restart the daemon: \(restart)")
    }

    private func foreign(_ message: ForeignMessage) -> CommandError {
        CommandError(
            .foreignDaemon,
            "The daemon that has \(archive) is \(message.version) of pacsfs, and this command, "
                + "version \(Pacsfs.configuration.version), cannot read its answer",
            remedy: "Use the pacsfs that the daemon was started with, or restart it: \(restart)")
    }

    private var restart: String {
        let mountpoint = Paths.mountpoint(of: archive) ?? "MOUNTPOINT"
        let option = ArchiveOption.argument(for: archive)
        return "pacsfs unmount \(mountpoint), then pacsfs mount \(mountpoint)\(option) "
            + "(as a service: systemctl restart pacsfs)"
    }
}
