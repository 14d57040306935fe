import Archive
import CLinux
import Foundation
import FuseServer
import Logging
import Storage
import System

/// Answers commands while the archive is mounted. Only the owner of the archive can reach it.
final class ControlServer: Sendable {
    private let archive: Archive
    private let session: Session
    private let log: Logger
    private let listener: SharedDescriptor
    private let threads = ThreadGroup()

    /// - Throws: ``CommandError`` when the socket cannot be made.
    init(archive: Archive, session: Session, log: Logger) throws(CommandError) {
        self.archive = archive
        self.session = session
        self.log = log
        do throws(Errno) {
            listener = SharedDescriptor(try Self.listen(in: archive.path))
        } catch {
            throw CommandError(
                .system, "\(archive.path)/\(ArchivePaths.controlSocketName) cannot be made",
                remedy: "Look whether the directory can be written to.", cause: error)
        }
    }

    private static func listen(in path: String) throws(Errno) -> Descriptor {
        let directory = try ControlSocketDirectory(path)
        // A daemon that was killed leaves one; this process holds the lock, so no other runs now.
        directory.removeSocket()
        let listener = try Descriptor.unixSocket()
        let number = listener.number
        let before = umask(0o177)
        defer { umask(before) }
        try directory.withAddress { (address, length) throws(Errno) in
            try systemCall { bind(number, address, length) }
        }
        try systemCall { Glibc.listen(number, 16) }
        return listener
    }

    /// Takes connections until ``stop()``, each on its own thread.
    func start() {
        threads.start("control") { [self] in
            while let socket = try? Socket.accept(on: listener.number) {
                let connection = SharedDescriptor(socket)
                let thread = try? WorkerThread("command") { [self] in serve(connection) }
                if thread == nil { log.error("A command was not answered: too many threads.") }
            }
        }
    }

    /// Lets no more commands in, and removes the socket.
    func stop() {
        shutdown(listener.number, Int32(SHUT_RDWR))
        try? ControlSocketDirectory(archive.path).removeSocket()
    }

    private func serve(_ socket: SharedDescriptor) {
        let connection = ControlConnection(socket)
        while let line = connection.receive() {
            guard serve(line, of: connection) else {
                return log.debug("A command went away before its answer.")
            }
        }
    }

    /// - Returns: False when the command has gone.
    private func serve(_ line: Data, of connection: ControlConnection) -> Bool {
        do throws(ForeignMessage) {
            switch try ControlProtocol.message(ControlRequest.self, in: line) {
            case .scrub(let volumes, let rate): return scrub(volumes, rate, for: connection)
            case .pushRemote(let name): return push(name, for: connection)
            case .checkRemote(let name, let isFetching):
                return check(name, isFetching: isFetching, for: connection)
            case .drill(let names, let isFull):
                return drill(names, isFull: isFull, for: connection)
            case let request: return send(answer(request), on: connection)
            }
        } catch {
            let own = Pacsfs.configuration.version
            return send(
                .failed(
                    "The daemon is version \(own) of pacsfs, and cannot read what \(error.version) "
                        + "of pacsfs asks. Use the pacsfs that the daemon was started with, or "
                        + "restart the daemon."), on: connection)
        }
    }

    /// - Returns: False when the command has gone.
    private func send(_ response: ControlResponse, on connection: ControlConnection) -> Bool {
        do {
            return connection.send(try ControlProtocol.line(response))
        } catch {
            log.error("An answer to a command could not be written: \(error)")
            return false
        }
    }

    private func answer(_ request: ControlRequest) -> ControlResponse {
        do {
            switch request {
            case .status:
                return .status(
                    try archive.status(
                        pending: session.pending, readMode: session.readMode,
                        mountpoint: session.mountpoint))
            case .reload: return .reloaded(try reload())
            case .importFiles(let files):
                // To read below its own mount, the daemon would wait for itself.
                for file in files { try requireOutsideMount(file.path) }
                return .imported(archive.importFiles(files))
            case .scrub, .pushRemote, .checkRemote, .drill:
                return .failed("It has answers of its own.")
            case .addRemote(let request):
                if request.options["type"] == "local" { try requireOutsideMount(request.path) }
                return .addedRemote(try archive.addRemote(request))
            case .testWipe(let name): return .testedWipe(try archive.testWipe(of: name))
            case .forgetRemote(let name):
                try archive.forgetRemote(name)
                return .changedRemote
            case .removeRemote(let name):
                try archive.removeRemote(name)
                return .changedRemote
            case .change(let change):
                if let path = change.directory { try requireOutsideMount(path) }
                return .changed(try change.perform(on: archive))
            }
        } catch {
            return .failed("\(error)")
        }
    }

    private func reload() throws(ArchiveError) -> ReloadSummary {
        let file = ArchivePaths(archive.path).configuration
        // Settings that only a start uses must not keep that from succeeding.
        if let settings = try? Settings(file: file) { _ = try Permissions(settings, file: file) }
        return try archive.reload(keptOutside: session.mountpoint)
    }

    private func requireOutsideMount(_ path: String) throws(CommandError) {
        guard !AbsolutePath.isInside(path, session.mountpoint) else {
            throw CommandError(
                .wrongArgument, "\(path) is in the mounted archive itself",
                remedy: "Name a path outside \(session.mountpoint).")
        }
    }

    /// Scrubs, says how far it is a few times a second, and stops when nobody listens any more.
    ///
    /// - Returns: False when the command has gone.
    private func scrub(_ volumes: [String], _ rate: Int64?, for connection: ControlConnection)
        -> Bool
    {
        let peer = connection.peer
        var lastSent: ContinuousClock.Instant?
        do throws(ArchiveError) {
            let report = try archive.scrub(volumes, rate: rate, shouldStop: { peer.hasGone }) {
                progress in
                if let lastSent, ContinuousClock.now - lastSent < .milliseconds(200) { return }
                lastSent = .now
                // Whether the command has gone is seen by the peer.
                _ = send(.scrubbing(progress), on: connection)
            }
            return send(.scrubbed(report), on: connection)
        } catch {
            return send(.failed("\(error)"), on: connection)
        }
    }

    /// Brings everything to a remote, and says how far that is a few times a second.
    ///
    /// - Returns: False when the command has gone.
    private func push(_ name: String, for connection: ControlConnection) -> Bool {
        var lastSent: ContinuousClock.Instant?
        do throws(ArchiveError) {
            let problems = try archive.pushRemote(name) { progress in
                if let lastSent, ContinuousClock.now - lastSent < .milliseconds(200) { return }
                lastSent = .now
                _ = self.send(.pushing(progress), on: connection)
            }
            return send(.pushed(problems), on: connection)
        } catch {
            return send(.failed("\(error)"), on: connection)
        }
    }

    /// Compares a remote with what was recorded, and says how far that is a few times a second.
    ///
    /// - Returns: False when the command has gone.
    private func check(
        _ name: String, isFetching: Bool, for connection: ControlConnection
    ) -> Bool {
        var lastSent: ContinuousClock.Instant?
        do throws(ArchiveError) {
            let report = try archive.checkRemote(name, isFetching: isFetching) { progress in
                if let lastSent, ContinuousClock.now - lastSent < .milliseconds(200) { return }
                lastSent = .now
                _ = self.send(.checking(progress), on: connection)
            }
            return send(.checked(report), on: connection)
        } catch {
            return send(.failed("\(error)"), on: connection)
        }
    }

    /// Drills sources, says how far that is a few times a second, and stops when nobody listens any
    /// more.
    ///
    /// - Returns: False when the command has gone.
    private func drill(
        _ names: [String], isFull: Bool, for connection: ControlConnection
    ) -> Bool {
        let peer = connection.peer
        var lastSent: ContinuousClock.Instant?
        do throws(ArchiveError) {
            let reports = try archive.drill(
                names, isFull: isFull, shouldStop: { peer.hasGone }
            ) { progress in
                if let lastSent, ContinuousClock.now - lastSent < .milliseconds(200) { return }
                lastSent = .now
                _ = self.send(.drilling(progress), on: connection)
            }
            return send(.drilled(reports), on: connection)
        } catch {
            return send(.failed("\(error)"), on: connection)
        }
    }
}
