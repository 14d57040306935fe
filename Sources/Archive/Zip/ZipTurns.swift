import System

/// A zip archive that waits to be unpacked.
protocol ZipJob {
    /// The uid of its owner.
    var user: UInt32 { get }
    /// Its size.
    var bytes: Int64 { get }
}

/// Which zip archive is unpacked next, so that no user waits for all those of another.
///
/// A user gets one more lane as long as it has fewer than are free: alone half of them, and one is
/// left for each user who comes. Of several users, the one goes on who has the fewest lanes, and
/// then the one whose turn was longest ago. Zip archives of one user go on in their order, but a
/// small one does not wait for large ones.
struct ZipTurns<Job: ZipJob> {
    /// The largest zip archive that a user who has so many lanes may begin, in bytes.
    static var largest: [Int64] { [.max, 1 << 30, 32 << 20] }

    let lanes: Int
    private var waiting: [Job] = []
    /// How many lanes users have.
    private var held: [UInt32: Int] = [:]
    /// When users had their last turn, of those who have zip archives here.
    private var lastTurn: [UInt32: Int] = [:]
    private var turns = 0
    private var isClosed = false

    init(lanes: Int) { self.lanes = lanes }

    /// - Returns: False when it is closed; the job was not taken then.
    mutating func add(_ job: Job) -> Bool {
        guard !isClosed else { return false }
        waiting.append(job)
        return true
    }

    /// Begins the next one.
    ///
    /// - Returns: The job, or `nil` in it when none will come any more; `nil` when one has to wait.
    mutating func next() -> Job?? {
        if isClosed { return .some(waiting.isEmpty ? nil : waiting.removeFirst()) }
        var best: (index: Int, lanes: Int, turn: Int)?
        var seen: Set<UInt32> = []
        for (index, job) in waiting.enumerated() where !seen.contains(job.user) {
            let lanes = held[job.user] ?? 0
            guard mayBegin(job, having: lanes) else { continue }
            seen.insert(job.user)
            let turn = lastTurn[job.user] ?? 0
            if best.map({ (lanes, turn) < ($0.lanes, $0.turn) }) ?? true {
                best = (index, lanes, turn)
            }
        }
        guard let best else { return nil }
        let job = waiting.remove(at: best.index)
        held[job.user, default: 0] += 1
        turns += 1
        lastTurn[job.user] = turns
        return .some(job)
    }

    private func mayBegin(_ job: Job, having lanes: Int) -> Bool {
        guard lanes < Self.largest.count, job.bytes <= Self.largest[lanes] else { return false }
        let used = held.values.reduce(0, +)
        return Shares<UInt32>.mayTake(holding: lanes, used: used, of: self.lanes)
    }

    /// A job that was begun has ended.
    mutating func end(_ job: Job) {
        let left = (held[job.user] ?? 1) - 1
        held[job.user] = left > 0 ? left : nil
        if left <= 0, !waiting.contains(where: { $0.user == job.user }) {
            lastTurn[job.user] = nil
        }
    }

    /// From now on none is added; those that wait are begun without regard to users.
    mutating func close() { isClosed = true }
}
