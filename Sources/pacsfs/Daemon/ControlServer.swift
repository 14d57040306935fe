import Archive
import CLinux
import Foundation
import FuseServer
import Logging
import Storage

/// Answers commands while the archive is mounted. Only the owner of the archive can reach it.
final class ControlServer: Sendable {
    private let archive: Archive
    private let session: Session
    private let log: Logger
    private let listener: Int32

    /// - throws: ``ArchiveError`` when the socket cannot be made
    init(archive: Archive, session: Session, log: Logger) throws(ArchiveError) {
        self.archive = archive
        self.session = session
        self.log = log
        guard let directory = UnixAddress.Directory(archive.path) else {
            throw ArchiveError(
                .storage, "\(archive.path) cannot be opened: \(String(cString: strerror(errno))).")
        }
        // Left by a daemon that was killed; the lock says that there is no other now.
        directory.remove()
        listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        let before = umask(0o177)
        let bound = directory.address.withPointer { bind(listener, $0, $1) }
        umask(before)
        guard bound == 0, listen(listener, 16) == 0 else {
            let reason = String(cString: strerror(errno))
            close(listener)
            throw ArchiveError(
                .storage, "\(archive.path)/\(UnixAddress.name) cannot be made: \(reason).")
        }
    }

    /// Takes connections until ``stop()``, each on a thread of its own.
    func start() {
        Thread.detachNewThread { [self] in
            while true {
                let connection = accept4(listener, nil, nil, Int32(SOCK_CLOEXEC.rawValue))
                if connection < 0 {
                    if errno == EINTR || errno == ECONNABORTED { continue }
                    if errno == EMFILE || errno == ENFILE || errno == ENOMEM {
                        usleep(100_000)
                        continue
                    }
                    return
                }
                Thread.detachNewThread { [self] in serve(ControlConnection(connection)) }
            }
        }
    }

    func stop() {
        shutdown(listener, Int32(SHUT_RDWR))
        UnixAddress.Directory(archive.path)?.remove()
    }

    private func serve(_ connection: ControlConnection) {
        do {
            while let request = try connection.receive(ControlRequest.self) {
                if case .scrub(let volumes, let rate) = request {
                    try scrub(volumes, rate, for: connection)
                } else {
                    try connection.send(answer(request))
                }
            }
        } catch {
            log.debug("A command went away: \(error)")
        }
    }

    private func answer(_ request: ControlRequest) -> ControlResponse {
        switch request {
        case .status:
            do {
                return .status(
                    try archive.status(
                        pending: session.pending, readMode: session.readMode,
                        mountpoint: session.mountpoint))
            } catch { return .failed("\(error)") }
        case .reload:
            return reload()
        case .importFiles(let files):
            // To read below our own mount would be to wait for ourselves.
            if let file = files.first(where: { isInMount($0.path) }) {
                return .failed("\(file.path) is in the mounted archive itself.")
            }
            return .imported(archive.importFiles(files))
        case .scrub: return .failed("A scrub is not answered at once.")
        case .addVolume(let path, let domain):
            return change(keptOutside: path) { () throws(ArchiveError) in
                try archive.addVolume(at: path, domain: domain)
            }
        case .retireVolume(let name):
            return change { () throws(ArchiveError) in try archive.retireVolume(name) }
        case .replaceVolume(let name, let path, let acceptingLoss):
            return change(keptOutside: path) { () throws(ArchiveError) in
                try archive.replaceVolume(name, with: path, acceptingLoss: acceptingLoss)
            }
        }
    }

    private func reload() -> ControlResponse {
        let file = archive.path + "/pacsfs.toml"
        do throws(ArchiveError) {
            // What only a start uses must not keep that from succeeding.
            if let settings = try? Settings(file: file) {
                _ = try Permissions(settings, file: file)
            }
            return .reloaded(try archive.reload(keptOutside: session.mountpoint))
        } catch { return .failed("\(error)") }
    }

    private func isInMount(_ path: String) -> Bool {
        AbsolutePath.isInside(path, session.mountpoint)
    }

    /// - parameter path: must not lie in the mount
    private func change(
        keptOutside path: String? = nil, _ body: () throws(ArchiveError) -> VolumeChange
    ) -> ControlResponse {
        if let path, isInMount(path) {
            return .failed("\(path) is in the mounted archive itself.")
        }
        do { return .volume(try body()) } catch { return .failed("\(error)") }
    }

    /// Says how far it is a few times a second, and stops when nobody listens any more.
    private func scrub(_ volumes: [String], _ rate: Int64?, for connection: ControlConnection)
        throws
    {
        let peer = connection.peer
        var said = Date.distantPast
        do {
            let report = try archive.scrub(volumes, rate: rate, shouldStop: { peer.hasGone }) {
                progress in
                guard Date.now.timeIntervalSince(said) > 0.2 else { return }
                said = .now
                // A command that has gone is noticed by the peer.
                try? connection.send(ControlResponse.scrubbing(progress))
            }
            try connection.send(ControlResponse.scrubbed(report))
        } catch let error as ArchiveError {
            try connection.send(ControlResponse.failed("\(error)"))
        }
    }
}
