import Archive
import CLinux
import Foundation
import FuseServer
import Logging
import System

/// Takes connections of DICOM senders, and serves each association on a thread of its own.
final class Receiver: Sendable {
    private let archive: String
    private let aeTitle: String
    private let log: Logger
    private let listener: Int32
    private let senders = Lock<[ObjectIdentifier: Sender]>([:])
    /// Each has a thread, a process and up to half a megabyte.
    private static let most = 64
    /// How long those under way may go on when the process is to end, s.
    private static let grace = 10.0

    /// - parameters:
    ///   - address: where to listen; `nil` for everywhere
    ///   - port: 0 for any that is free
    /// - throws: ``ArchiveError`` that says why nobody can listen there
    init(archive: String, aeTitle: String, address: String?, port: UInt16, log: Logger)
        throws(ArchiveError)
    {
        self.archive = archive
        self.aeTitle = aeTitle
        self.log = log
        listener = try ListeningSocket.open(address, port: port)
    }

    deinit { close(listener) }

    /// The port on which it listens.
    var port: UInt16 { ListeningSocket.port(of: listener) }

    /// Serves until `shouldStop`; those under way may finish then.
    func run(shouldStop: () -> Bool) {
        while !shouldStop() {
            var polled = pollfd(fd: listener, events: Int16(POLLIN), revents: 0)
            guard poll(&polled, 1, 300) > 0 else { continue }
            let connection = accept4(listener, nil, nil, Int32(SOCK_CLOEXEC.rawValue))
            if connection < 0 {
                if errno == EMFILE || errno == ENFILE || errno == ENOMEM { usleep(100_000) }
                continue
            }
            take(Sender(connection))
        }
        shutdown(listener, Int32(SHUT_RDWR))
        let under = senders.withLock { $0.count }
        if under > 0 {
            log.notice("Finishing \(Output.count(under, "association", "associations")).")
        }
        wait(Self.grace)
        senders.withLock { for sender in $0.values { sender.hangUp() } }
        wait(Self.grace)
    }

    private func take(_ sender: Sender) {
        let isAdmitted = senders.withLock { senders in
            guard senders.count < Self.most else { return false }
            senders[ObjectIdentifier(sender)] = sender
            return true
        }
        guard isAdmitted else {
            log.error(
                "\(sender.address) was turned away: there are \(Self.most) associations already.")
            _ = sender.send(.busy)
            return
        }
        Thread.detachNewThread { [self] in
            // One whose daemon has died is none.
            let mountpoint = Paths.mountpoint(of: archive).flatMap {
                Mountpoint.isStale($0) ? nil : $0
            }
            Association(sender: sender, aeTitle: aeTitle, mountpoint: mountpoint, log: log).serve()
            senders.withLock { $0[ObjectIdentifier(sender)] = nil }
        }
    }

    private func wait(_ seconds: Double) {
        let end = Date.now + seconds
        while senders.withLock({ !$0.isEmpty }), Date.now < end { usleep(20_000) }
    }
}
