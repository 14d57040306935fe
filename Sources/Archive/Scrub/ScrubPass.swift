import Foundation
import Storage

/// Which volumes a scrub has begun to read and not finished, and when it began: `scrub.json`
/// beside the index. Folders that were read since then need not be read again when it goes on.
/// Losing it costs nothing but a second reading.
struct ScrubPass {
    private let file: URL

    init(archive path: String) { file = URL(filePath: path + "/scrub.json") }

    /// When the pass over a volume began that is not finished, ns since 1970.
    func started(_ volume: Int) -> Int64? { times()[String(volume)] }

    /// Notes that a pass begins now, unless one is under way.
    ///
    /// - returns: when it began
    func begin(_ volume: Int) -> Int64 {
        if let started = started(volume) { return started }
        let now = Timestamp.now().nanoseconds
        change { $0[String(volume)] = now }
        return now
    }

    /// Notes that everything was read.
    func end(_ volume: Int) { change { $0[String(volume)] = nil } }

    private func times() -> [String: Int64] {
        (try? JSONDecoder().decode([String: Int64].self, from: Data(contentsOf: file))) ?? [:]
    }

    private func change(_ body: (inout [String: Int64]) -> Void) {
        var times = times()
        body(&times)
        try? JSONEncoder().encode(times).write(to: file, options: .atomic)
    }
}
