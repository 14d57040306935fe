import CLinux
import Foundation
import Logging
import System

/// One association, from the sender's request to its end.
///
/// ```
/// sender ══ TCP ══ here ══ socket pair ══ storescp ── incoming/receive AET/…/X.part
///                    └── rename to X.dcm, then the answer
/// ```
///
/// Everything that the sender says goes to `storescp` unchanged. In the other direction the answer
/// to each image waits until the image is archived; if it is not, another answer goes out. So a
/// success in a C-STORE response means what 0 from `close()` means.
struct Association {
    let sender: Sender
    let aeTitle: String
    /// Where the archive is mounted at this moment; `nil` when it is not.
    let mountpoint: String?
    let log: Logger

    private struct Tally {
        var stored = 0
        var refused = 0
    }

    /// Seconds that a sender has for its request.
    private static let requestTimeout = 30.0
    /// Milliseconds that an association may be silent.
    private static let silenceTimeout: Int32 = 600_000

    /// Serves it to its end.
    func serve() {
        var name = sender.address
        do throws(AssociationError) {
            guard let unit = try firstUnit() else { return }
            let request = try AssociationRequest(unit)
            name = "\(request.callingAETitle) at \(sender.address)"
            try serve(request, unit, name)
        } catch {
            log.error("\(name): \(error)")
        }
    }

    /// - Returns: `nil` when the sender went without a word, as programs do that only look whether
    ///   anybody listens.
    private func firstUnit() throws(AssociationError) -> ProtocolDataUnit? {
        var units = ProtocolDataUnits()
        var buffer = [UInt8](repeating: 0, count: 16384)
        let end = Date.now + Self.requestTimeout
        while true {
            var polled = pollfd(fd: sender.socket.number, events: Int16(POLLIN), revents: 0)
            let left = end.timeIntervalSinceNow
            guard left > 0 else {
                throw AssociationError(.silence, "It sent no request for an association.")
            }
            guard poll(&polled, 1, Int32(left * 1000) + 1) > 0 else { continue }
            let count = Socket.receive(from: sender.socket.number, into: &buffer)
            guard count > 0 else { return nil }
            units.append(buffer[..<count])
            // Not noted as a sign of life before it is whole: bytes are cheap.
            if let unit = try units.next() {
                sender.asked()
                sender.note()
                return unit
            }
        }
    }

    private func serve(
        _ request: AssociationRequest, _ unit: ProtocolDataUnit, _ name: String
    ) throws(AssociationError) {
        let (files, provider) = try prepare(request)
        var tally = Tally()
        defer {
            let signal = provider.end()
            files.cleanUp()
            if signal != 0 { log.error("\(name): storescp was ended by signal \(signal).") }
            report(tally, name)
        }
        do throws(AssociationError) {
            try relay(unit, to: provider) { (unit) throws(AssociationError) in
                try answer(unit, files, &tally, name)
            }
        } catch {
            _ = sender.send(.abort)
            throw error
        }
    }

    /// Makes the folder for the images and starts `storescp`.
    ///
    /// - Throws: ``AssociationError``, after the sender was refused.
    private func prepare(_ request: AssociationRequest) throws(AssociationError) -> (
        ReceivedFiles, StorageProvider
    ) {
        do throws(AssociationError) {
            guard let mountpoint else {
                throw AssociationError(
                    .notMounted, "It was refused, for the archive is not mounted",
                    remedy: "Mount it with \"pacsfs mount\".")
            }
            let files = try ReceivedFiles(
                mountpoint: mountpoint, aeTitle: aeTitle,
                sender: "\(request.callingAETitle) \(sender.address)")
            do throws(AssociationError) {
                let provider = try StorageProvider(
                    AssociationProfile(request), aeTitle: aeTitle, folder: files.path)
                return (files, provider)
            } catch {
                files.cleanUp()
                throw error
            }
        } catch {
            _ = sender.send(.busy)
            throw error
        }
    }

    private func report(_ tally: Tally, _ name: String) {
        let images = Output.count(tally.stored + tally.refused, "image", "images")
        if tally.refused > 0 {
            log.error(
                """
                \(name) sent \(images), of which \(tally.refused) were not archived; the sender \
                knows which.
                """)
        } else if tally.stored > 0 {
            log.notice("\(name) sent \(images), archived.")
        } else {
            log.debug("\(name) sent nothing.")
        }
    }

    /// The unit that the sender gets in place of one that `storescp` sends.
    private func answer(
        _ unit: ProtocolDataUnit, _ files: ReceivedFiles, _ tally: inout Tally, _ name: String
    ) throws(AssociationError) -> ProtocolDataUnit {
        guard let response = try StoreResponse(in: unit) else { return unit }
        guard response.status.isStored else {
            tally.refused += 1
            log.error(
                """
                \(name): an image was not stored: storescp could not write it, and answered \
                \(response.status); see "pacsfs status".
                """)
            return unit
        }
        guard let failure = sender.waiting({ files.archive() }) else {
            tally.stored += 1
            return unit
        }
        tally.refused += 1
        log.error("\(name): an image was not archived: \(failure.reason)")
        return response.replaced(by: failure.status, in: unit)
    }

    /// Passes bytes on in both directions until one side ends the connection.
    ///
    /// - Parameter answer: The unit to send in place of one of `storescp`.
    private func relay(
        _ request: ProtocolDataUnit, to provider: StorageProvider,
        _ answer: (ProtocolDataUnit) throws(AssociationError) -> ProtocolDataUnit
    ) throws(AssociationError) {
        var pending = request.bytes[...]
        var units = ProtocolDataUnits()
        var buffer = [UInt8](repeating: 0, count: 1 << 17)
        var isSending = true
        var isOver = false
        while true {
            let ready = try wait(for: provider, hasPending: !pending.isEmpty, isSending)
            if ready.provider & Int16(POLLOUT) != 0 {
                pending = pending.dropFirst(provider.sendSome(of: pending))
            }
            if ready.provider & Int16(POLLIN | POLLHUP | POLLERR) != 0 {
                let count = Socket.receive(from: provider.socket.number, into: &buffer)
                guard count > 0 else {
                    if isOver || !isSending { return }
                    throw AssociationError(
                        .provider, "storescp has ended in the middle of the association.")
                }
                units.append(buffer[..<count])
                while let unit = try units.next() {
                    isOver = unit.isLast
                    guard sender.send(try answer(unit)) else { return }
                }
            }
            if ready.sender != 0 {
                let count = Socket.receive(from: sender.socket.number, into: &buffer)
                if count > 0 {
                    sender.note()
                    pending = buffer[..<count]
                } else {
                    isSending = false
                    shutdown(provider.socket.number, Int32(SHUT_WR))
                }
            }
        }
    }

    /// Waits until one side can be read, or storescp takes bytes that are pending. The sender is
    /// not read while bytes are pending.
    ///
    /// - Returns: What poll(2) says of both sockets.
    private func wait(for provider: StorageProvider, hasPending: Bool, _ isSending: Bool)
        throws(AssociationError) -> (provider: Int16, sender: Int16)
    {
        var polled = [
            pollfd(
                fd: provider.socket.number, events: Int16(hasPending ? POLLIN | POLLOUT : POLLIN),
                revents: 0),
            pollfd(
                fd: isSending && !hasPending ? sender.socket.number : -1, events: Int16(POLLIN),
                revents: 0),
        ]
        let count = (try? systemCall { poll(&polled, 2, Self.silenceTimeout) }) ?? 0
        // A silent association would keep a place that others need.
        if count == 0 { throw AssociationError(.silence, "It was silent for too long.") }
        return (polled[0].revents, polled[1].revents)
    }
}
