import Foundation
import System

/// What has become of the members of a zip archive so far, and how many are on their way.
final class ZipProgress: Sendable {
    struct Result {
        var images = 0
        /// The numbers of the members that are no images, and why.
        var refused: [Int: String] = [:]
        /// The first member that is damaged.
        var damage: ZipError?
        /// Why nothing can be said of the zip archive now.
        var failure: (any Error)?
        /// Why the first of them is no image.
        var example = ""
    }

    private struct State {
        var result = Result()
        /// On their way into the archive.
        var files = 0
        var bytes: Int64 = 0
        /// Reasons that were given, so that the same text is kept once.
        var reasons: [String: String] = [:]
    }

    private let state = Lock(State())
    private let each: @Sendable (ImportResult) -> Void
    /// Signalled whenever one has arrived.
    private let arrival = NSCondition()

    /// At most so many members, and so many bytes of them, are on their way at once: enough
    /// to make many durable together.
    private static let mostFiles = 64
    private static let mostBytes: Int64 = 64 << 20

    init(each: @escaping @Sendable (ImportResult) -> Void) { self.each = each }

    var hasFailed: Bool { state.withLock { $0.result.failure != nil } }

    /// A member goes on its way; waits until there is room for it among the others.
    func begin(_ bytes: Int64) {
        waitUntil {
            $0.files == 0 || $0.files < Self.mostFiles && $0.bytes + bytes <= Self.mostBytes
        }
        state.withLock {
            $0.files += 1
            $0.bytes += bytes
        }
    }

    /// It has arrived.
    func end(
        _ number: Int, _ source: String, bytes: Int64,
        _ result: Swift.Result<IngestOutcome, ArchiveError>
    ) {
        switch result {
        case .success(.archived(_, let cutOff)): took(source, bytes, .archived, cutOff: cutOff)
        case .success(.sameDataSet(_, let cutOff)):
            took(source, bytes, .archived, isSameDataSet: true, cutOff: cutOff)
        case .success(.duplicate): took(source, bytes, .duplicate)
        case .success(.ignored): ignored(source, bytes: bytes)
        case .success(.refused(let reason)): refused(number, source, bytes: bytes, reason)
        case .success(.unpacked): break
        case .failure(let error): failed(error)
        }
        state.withLock {
            $0.files -= 1
            $0.bytes -= bytes
        }
        arrival.lock()
        arrival.broadcast()
        arrival.unlock()
    }

    private func took(
        _ source: String, _ bytes: Int64, _ outcome: ImportResult.Outcome,
        isSameDataSet: Bool = false,
        cutOff: String? = nil
    ) {
        state.withLock { state in
            state.result.images += 1
            var result = ImportResult(path: source, bytes: bytes, outcome: outcome)
            if isSameDataSet { result.sameDataSet = true }
            result.cutOff = cutOff
            each(result)
        }
    }

    func ignored(_ source: String, bytes: Int64) {
        state.withLock { _ in each(ImportResult(path: source, bytes: bytes, outcome: .ignored)) }
    }

    /// A member that is no image is told of when it has been set aside.
    func refused(_ number: Int, _ source: String, bytes: Int64, _ reason: String) {
        state.withLock { state in
            if state.result.refused.isEmpty { state.result.example = "\(source): \(reason)" }
            let kept = state.reasons[reason] ?? reason
            state.reasons[reason] = kept
            state.result.refused[number] = kept
        }
    }

    func damaged(_ error: ZipError) {
        state.withLock { if $0.result.damage == nil { $0.result.damage = error } }
    }

    func failed(_ error: any Error) {
        state.withLock { if $0.result.failure == nil { $0.result.failure = error } }
    }

    /// Waits until all have arrived.
    func wait() -> Result {
        waitUntil { $0.files == 0 }
        return state.withLock { $0.result }
    }

    private func waitUntil(_ isSo: (State) -> Bool) {
        arrival.lock()
        defer { arrival.unlock() }
        while !state.withLock({ isSo($0) }) { arrival.wait() }
    }
}
