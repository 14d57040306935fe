import Archive
import Foundation
import Storage
import System

/// `status.html` and `metrics.prom`, made when they are read.
///
/// Each time that one is opened the status is found out anew. While there is no news
/// (``ArchiveStatus/shown(after:)``) the documents stay as they are, byte for byte, and so do their
/// size and time, also after a restart: programs that compare files copy them when there is news,
/// and not each time. A program that has opened one reads that to the end, even if there is news
/// meanwhile.
///
/// stat(2) speaks of a document that is at most a second old.
final class StatusDocuments: Sendable {
    enum Kind: CaseIterable { case page, metrics }

    struct Facts: Sendable {
        /// In bytes.
        var size: Int64
        /// When there was news, ns since 1970.
        var time: Int64
    }

    private struct Shown: Codable {
        /// `nil` when it could not be found out.
        var status: ArchiveStatus?
        /// Why there is none.
        var problem = ""
        /// When there was news, ns since 1970.
        var time: Int64
    }

    private struct State {
        var status: @Sendable () throws -> ArchiveStatus
        var shown: Shown?
        var documents: [Kind: [UInt8]] = [:]
        /// When it was last begun to find it out, monotonic ns; `nil` before the first time.
        var looked: Int64?
    }

    /// For so long stat(2) is answered without another look, ns.
    private static let fresh: Int64 = 1_000_000_000

    private let clock: any MonotonicClock
    /// Keeps what was shown for the next start.
    private let file: String
    private let state: Lock<State>

    /// - Parameters:
    ///   - directory: The archive's.
    ///   - status: Of the archive.
    init(
        in directory: String, clock: any MonotonicClock,
        status: @escaping @Sendable () throws -> ArchiveStatus
    ) {
        self.clock = clock
        file = directory + "/documents.json"
        let kept = (try? RegularFile.content(of: file)).flatMap {
            try? JSONDecoder().decode(Shown.self, from: Data($0))
        }
        state = Lock(State(status: status, shown: kept))
    }

    /// Keeps what was shown for the next start. Where that fails, backups copy the documents once
    /// more than necessary.
    func keep() {
        guard let shown = state.withLock({ $0.looked == nil ? nil : $0.shown }) else { return }
        try? JSONEncoder().encode(shown).write(to: URL(filePath: file), options: .atomic)
    }

    /// Asks for the status in this way from now on.
    func use(_ status: @escaping @Sendable () throws -> ArchiveStatus) {
        state.withLock { $0.status = status }
    }

    /// What stat(2) says of a document.
    func facts(of kind: Kind) -> Facts {
        let now = clock.now
        let isFresh = state.withLock { $0.looked.map { now - $0 < Self.fresh } ?? false }
        if !isFresh { look() }
        return state.withLock { state in
            let bytes = Self.document(kind, in: &state)
            return Facts(size: Int64(bytes.count), time: state.shown?.time ?? 0)
        }
    }

    /// A document of what is so now.
    func make(_ kind: Kind) -> [UInt8] {
        look()
        return state.withLock { Self.document(kind, in: &$0) }
    }

    /// Finds out whether there is news.
    private func look() {
        let (begun, time) = (clock.now, clock.utc)
        let read = state.withLock { $0.status }
        let (status, problem): (ArchiveStatus?, String)
        do {
            (status, problem) = (try read(), "")
        } catch {
            (status, problem) = (nil, "\(error)")
        }
        state.withLock { state in
            // What was begun later, and came earlier, is the news.
            if let looked = state.looked, looked > begun { return }
            state.looked = begun
            let known = state.shown
            let shown = status?.shown(after: known?.status)
            if let known, known.problem == problem, known.status?.time == shown?.time { return }
            state.shown = Shown(status: shown, problem: problem, time: time)
            state.documents = [:]
        }
    }

    private static func document(_ kind: Kind, in state: inout State) -> [UInt8] {
        if let document = state.documents[kind] { return document }
        guard let shown = state.shown else { return [] }
        let time = Timestamp(nanoseconds: shown.time)
        let text =
            switch (kind, shown.status) {
            case (.page, let status?): StatusPage(status).html(at: time)
            case (.page, nil): StatusPage.html(withoutStatus: shown.problem, at: time)
            case (.metrics, let status?): StatusMetrics(status).text(at: time)
            case (.metrics, nil): StatusMetrics.withoutStatus(at: time)
            }
        let document = Array(text.utf8)
        state.documents[kind] = document
        return document
    }
}
