import CLinux
import Foundation
import Logging

/// One association, from the sender's request to its end.
///
/// ```
/// sender ══ TCP ══ here ══ socket pair ══ storescp ── incoming/receive AET/…/X.part
///                    └── rename to X.dcm, then the answer
/// ```
///
/// What the sender says goes to `storescp` as it is. Of what that says, the answer to each
/// image waits until the image is archived; when it is not, another answer goes out. So a
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

    /// Serves it to its end.
    func serve() {
        var name = sender.address
        do throws(AssociationError) {
            guard let unit = try firstUnit() else { return }
            let request = try AssociationRequest(unit)
            name = "\(request.callingAETitle) at \(sender.address)"
            try serve(request, unit, name)
        } catch {
            log.error("\(name): \(error).")
        }
    }

    /// - returns: `nil` when the sender went without a word, as those do that look whether
    ///   anybody listens
    private func firstUnit() throws(AssociationError) -> ProtocolDataUnit? {
        var units = ProtocolDataUnits()
        var buffer = [UInt8](repeating: 0, count: 16384)
        let end = Date.now + 30
        while true {
            var polled = pollfd(fd: sender.socket, events: Int16(POLLIN), revents: 0)
            let left = end.timeIntervalSinceNow
            guard left > 0 else { throw AssociationError("it sent no request for an association") }
            guard poll(&polled, 1, Int32(left * 1000) + 1) > 0 else { continue }
            let count = recv(sender.socket, &buffer, buffer.count, 0)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return nil }
            units.append(buffer[..<count])
            if let unit = try units.next() { return unit }
        }
    }

    private func serve(
        _ request: AssociationRequest, _ unit: ProtocolDataUnit, _ name: String
    ) throws(AssociationError) {
        let files: ReceivedFiles
        let provider: StorageProvider
        do throws(AssociationError) {
            guard let mountpoint else {
                throw AssociationError(
                    "it was turned away, for the archive is not mounted. Mount it with «pacsfs mount»"
                )
            }
            files = try ReceivedFiles(
                mountpoint: mountpoint, aeTitle: aeTitle,
                sender: "\(request.callingAETitle) \(sender.address)")
            do throws(AssociationError) {
                provider = try StorageProvider(
                    AssociationProfile(request), aeTitle: aeTitle, folder: files.path)
            } catch {
                files.cleanUp()
                throw error
            }
        } catch {
            _ = sender.send(.busy)
            throw error
        }
        var tally = Tally()
        defer {
            let signal = provider.end()
            files.cleanUp()
            if signal != 0 { log.error("\(name): storescp was ended by signal \(signal).") }
            report(tally, name)
        }
        do throws(AssociationError) {
            try relay(unit, to: provider) { (unit) throws(AssociationError) in
                try answered(unit, files, &tally, name)
            }
        } catch {
            _ = sender.send(.abort)
            throw error
        }
    }

    private func report(_ tally: Tally, _ name: String) {
        let images = Output.count(tally.stored + tally.refused, "image", "images")
        if tally.refused > 0 {
            log.error(
                "\(name) sent \(images), of which \(tally.refused) were not archived; it was told so."
            )
        } else if tally.stored > 0 {
            log.notice("\(name) sent \(images), archived.")
        } else {
            log.debug("\(name) sent nothing.")
        }
    }

    /// What the sender is told in place of what `storescp` says.
    private func answered(
        _ unit: ProtocolDataUnit, _ files: ReceivedFiles, _ tally: inout Tally, _ name: String
    ) throws(AssociationError) -> ProtocolDataUnit {
        guard let response = try StoreResponse(in: unit) else { return unit }
        guard response.status.isStored else {
            tally.refused += 1
            log.error(
                "\(name): an image was not stored: storescp could not write it, and answered \(response.status); see «pacsfs status»."
            )
            return unit
        }
        guard let failure = files.archive() else {
            tally.stored += 1
            return unit
        }
        tally.refused += 1
        log.error("\(name): an image was not archived: \(failure.reason).")
        return response.replaced(by: failure.status, in: unit)
    }

    /// Passes bytes on in both directions until one side ends the connection.
    ///
    /// For how long an association may be silent, ms.
    private static let patience: Int32 = 600_000

    /// - parameter answer: what to send in place of a unit of `storescp`
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
            var polled = [
                pollfd(
                    fd: provider.socket, events: Int16(pending.isEmpty ? POLLIN : POLLIN | POLLOUT),
                    revents: 0),
                pollfd(
                    fd: isSending && pending.isEmpty ? sender.socket : -1, events: Int16(POLLIN),
                    revents: 0),
            ]
            let count = poll(&polled, 2, Self.patience)
            // One that says nothing any more would keep a place that others need.
            if count == 0 { throw AssociationError("it was silent for too long") }
            guard count > 0 else { continue }
            if polled[0].revents & Int16(POLLOUT) != 0 {
                let count = pending.withUnsafeBytes {
                    send(
                        provider.socket, $0.baseAddress, $0.count,
                        Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
                }
                if count > 0 { pending = pending.dropFirst(count) }
            }
            if polled[0].revents & Int16(POLLIN | POLLHUP | POLLERR) != 0 {
                let count = recv(provider.socket, &buffer, buffer.count, 0)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else {
                    if isOver || !isSending { return }
                    throw AssociationError("storescp has ended in the middle")
                }
                units.append(buffer[..<count])
                while let unit = try units.next() {
                    isOver = unit.isLast
                    guard sender.send(try answer(unit)) else { return }
                }
            }
            if polled[1].revents != 0 {
                let count = recv(sender.socket, &buffer, buffer.count, 0)
                if count < 0, errno == EINTR { continue }
                if count > 0 {
                    pending = buffer[..<count]
                } else {
                    isSending = false
                    shutdown(provider.socket, Int32(SHUT_WR))
                }
            }
        }
    }
}

extension StoreResponse.Status: CustomStringConvertible {
    /// As conformance statements write it.
    var description: String { String(code, radix: 16, uppercase: true) + "H" }
}
