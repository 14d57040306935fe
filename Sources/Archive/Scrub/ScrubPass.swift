import Foundation
import System

/// The volumes that a scrub has begun to read and not finished, and when it began: `scrub.json`
/// beside the index. Folders that were read since then need not be read again when it goes on.
/// Without the file they are read a second time.
struct ScrubPass {
    private let file: URL
    private let clock: any MonotonicClock

    init(archive path: String, clock: any MonotonicClock) {
        file = URL(filePath: path + "/scrub.json")
        self.clock = clock
    }

    /// When the unfinished pass over a volume began, ns since 1970; `nil` when there is none.
    func started(_ volume: Int) -> Int64? { times()[String(volume)] }

    /// Notes that a pass begins now, unless one is under way.
    ///
    /// - Returns: When it began, ns since 1970.
    func begin(_ volume: Int) -> Int64 {
        if let started = started(volume) { return started }
        let now = clock.utc
        change { $0[String(volume)] = now }
        return now
    }

    /// Notes that all of it was read.
    func end(_ volume: Int) { change { $0[String(volume)] = nil } }

    private func times() -> [String: Int64] {
        let content = (try? RegularFile.content(of: file.path)) ?? []
        return (try? JSONDecoder().decode([String: Int64].self, from: Data(content))) ?? [:]
    }

    private func change(_ body: (inout [String: Int64]) -> Void) {
        var times = times()
        body(&times)
        try? JSONEncoder().encode(times).write(to: file, options: .atomic)
    }
}
