import Testing

@testable import Archive

@Suite("Turns of zip archives")
struct ZipTurnsTests {
    private struct Job: ZipJob {
        var user: UInt32
        var bytes: Int64 = 1
    }

    private static func turns(_ jobs: [Job]) -> ZipTurns<Job> {
        var turns = ZipTurns<Job>(lanes: 6)
        for job in jobs { _ = turns.add(job) }
        return turns
    }

    /// Whose are begun, until one has to wait.
    private static func begin(_ turns: inout ZipTurns<Job>) -> [UInt32] {
        var users: [UInt32] = []
        while let next = turns.next(), let job = next { users.append(job.user) }
        return users
    }

    @Test("A user has at most half of the lanes, and whoever comes finds one")
    func shares() {
        var turns = Self.turns((1...10).map { _ in Job(user: 1) })
        #expect(Self.begin(&turns) == [1, 1, 1])
        for user: UInt32 in [2, 2, 2, 3, 3] { _ = turns.add(Job(user: user)) }
        #expect(Self.begin(&turns) == [2, 3])
        _ = turns.add(Job(user: 4))
        #expect(Self.begin(&turns) == [4])
        // The last lane is kept for the next user.
        turns.end(Job(user: 1))
        #expect(Self.begin(&turns) == [])
        // Of those with as many lanes, the one goes on whose turn was longest ago.
        turns.end(Job(user: 1))
        #expect(Self.begin(&turns) == [1])
        _ = turns.add(Job(user: 5))
        #expect(Self.begin(&turns) == [5])
    }

    @Test("Users take turns, however many zip archives one has")
    func roundRobin() {
        var turns = Self.turns([1, 1, 1, 1, 2, 3].map { Job(user: $0) })
        var order: [UInt32] = []
        while order.count < 6, let next = turns.next(), let job = next {
            order.append(job.user)
            turns.end(job)
        }
        #expect(order == [1, 2, 3, 1, 1, 1])
    }

    @Test("A small one does not wait for large ones of the same user")
    func sizes() {
        var turns = Self.turns([
            Job(user: 1, bytes: 5 << 30), Job(user: 1, bytes: 5 << 30),
            Job(user: 1, bytes: 1 << 30), Job(user: 1, bytes: 33 << 20), Job(user: 1, bytes: 1),
        ])
        var sizes: [Int64] = []
        while let next = turns.next(), let job = next { sizes.append(job.bytes) }
        #expect(sizes == [5 << 30, 1 << 30, 1])
    }

    @Test("When it is closed what waits is begun, and nothing is added")
    func closed() {
        var turns = Self.turns((1...5).map { _ in Job(user: 1) })
        turns.close()
        let isAdded = turns.add(Job(user: 2))
        #expect(!isAdded)
        #expect(Self.begin(&turns).count == 5)
        if case .some(.none) = turns.next() {
        } else {
            Issue.record("it waits")
        }
    }
}
