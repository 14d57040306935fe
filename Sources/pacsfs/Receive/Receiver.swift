import CLinux
import Glibc
import FuseServer
import Logging
import System

/// Takes connections of DICOM senders, and serves each association on its own thread.
final class Receiver: Sendable {
    private let archive: String
    private let aeTitle: String
    private let log: Logger
    private let listener: SharedDescriptor
    /// Those that have a place.
    private let senders = Monitor<[ObjectIdentifier: Sender]>([:])
    private let places: AssociationPlaces
    /// Those that were refused last. A connection that is closed before its request was read is
    /// reset, and the sender may not see why.
    private let refused = Lock<[Sender]>([])
    private static let mostRefused = 32
    /// Nanoseconds that open associations have to finish when the process is to end.
    private static let grace: Int64 = 10_000_000_000

    /// - Parameters:
    ///   - address: Where to listen; `nil` for everywhere.
    ///   - port: 0 for any free one.
    ///   - places: Who may have an association.
    /// - Throws: ``CommandError`` when nobody can listen there.
    init(
        archive: String, aeTitle: String, address: String?, port: UInt16,
        places: AssociationPlaces, log: Logger
    ) throws(CommandError) {
        self.places = places
        self.archive = archive
        self.aeTitle = aeTitle
        self.log = log
        listener = SharedDescriptor(try ListeningSocket.open(address, port: port))
    }

    /// The port on which it listens.
    var port: UInt16 { ListeningSocket.port(of: listener.number) }

    /// Serves until ``stop()``; then open associations may finish.
    func run() {
        while let connection = try? Socket.accept(on: listener.number) {
            serve(Sender(connection))
        }
        let open = senders.withLock { $0.count }
        if open > 0 {
            log.notice("Finishing \(Output.count(open, "association", "associations")).")
        }
        waitForSenders()
        for sender in senders.withLock({ Array($0.values) }) { sender.hangUp() }
        waitForSenders()
    }

    /// Takes no more connections. From any thread, and before ``run()`` too.
    func stop() { shutdown(listener.number, Int32(SHUT_RDWR)) }

    private func serve(_ sender: Sender) {
        guard admit(sender) else {
            return refuse(
                sender, "its address has its share of the \(places.total) associations")
        }
        do throws(Errno) {
            _ = try WorkerThread("association") { [self] in
                // A mount whose daemon has died does not count.
                let mountpoint = Paths.mountpoint(of: archive).flatMap {
                    Mountpoint.isStale($0) ? nil : $0
                }
                Association(sender: sender, aeTitle: aeTitle, mountpoint: mountpoint, log: log)
                    .serve()
                remove(sender)
            }
        } catch {
            refuse(sender, "no thread can be made (\(error))")
            remove(sender)
        }
    }

    /// Gives a sender a place, perhaps that of one that is silent.
    private func admit(_ sender: Sender) -> Bool {
        let now = SystemClock().now
        let (isAdmitted, silent) = senders.withLock { senders -> (Bool, Sender?) in
            var silent: Sender?
            switch places.admit(sender.address, among: senders.mapValues(\.held), now: now) {
            case .admitted: break
            case .inPlaceOf(let other): silent = senders.removeValue(forKey: other)
            case .refused: return (false, nil)
            }
            senders[ObjectIdentifier(sender)] = sender
            return (true, silent)
        }
        if let silent {
            log.error("\(silent.address) was silent for too long while places are short.")
            silent.hangUp()
        }
        return isAdmitted
    }

    private func refuse(_ sender: Sender, _ reason: String) {
        log.error("\(sender.address) was refused: \(reason).")
        _ = sender.send(.busy)
        sender.endSending()
        let oldest = refused.withLock { refused -> Sender? in
            refused.append(sender)
            return refused.count > Self.mostRefused ? refused.removeFirst() : nil
        }
        withExtendedLifetime(oldest) {}
    }

    private func remove(_ sender: Sender) {
        senders.withLock(waking: .all) { $0[ObjectIdentifier(sender)] = nil }
    }

    /// Waits until no association is open, as long as ``grace``.
    private func waitForSenders() {
        let end = SystemClock().now + Self.grace
        _ = senders.wait(until: end) { $0.isEmpty ? true : nil }
    }
}
