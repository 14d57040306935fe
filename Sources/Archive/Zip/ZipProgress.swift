import System

/// The outcomes of the members of a zip archive so far, and how many are on their way.
final class ZipProgress: Sendable {
    struct Result {
        var images = 0
        /// The numbers of the members that are not images, with the reasons.
        var refused: [Int: String] = [:]
        /// The first damaged member.
        var damage: ZipError?
        /// Why the zip archive cannot be unpacked now.
        var failure: (any Error)?
        /// Why the first of them is not an image.
        var example = ""
    }

    private struct State {
        var result = Result()
        /// On their way into the archive.
        var files = 0
        var bytes: Int64 = 0
        /// Reasons so far, so that the same text is kept once.
        var reasons: [String: String] = [:]
    }

    private let state = Monitor(State())
    private let each: @Sendable (ImportResult) -> Void

    /// At most so many members, and so many bytes of them, are on their way at once: enough to make
    /// many durable together.
    private static let mostFiles = 64
    private static let mostBytes: Int64 = 64 << 20

    init(each: @escaping @Sendable (ImportResult) -> Void) { self.each = each }

    var hasFailed: Bool { state.withLock { $0.result.failure != nil } }

    /// A member goes on its way; waits until the limits allow it.
    func begin(_ bytes: Int64) {
        state.wait { state -> Void? in
            let fits = state.files < Self.mostFiles && state.bytes + bytes <= Self.mostBytes
            guard state.files == 0 || fits else { return nil }
            state.files += 1
            state.bytes += bytes
            return ()
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
        state.withLock(waking: .all) {
            $0.files -= 1
            $0.bytes -= bytes
        }
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
            result.truncated = cutOff
            each(result)
        }
    }

    func ignored(_ source: String, bytes: Int64) {
        state.withLock { _ in each(ImportResult(path: source, bytes: bytes, outcome: .ignored)) }
    }

    /// A member that is not an image is reported when it has been rejected.
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
    func wait() -> Result { state.wait { $0.files == 0 ? $0.result : nil } }
}
