import System
import Testing

@testable import Archive

@Suite("A pool of workers")
struct WorkerPoolTests {
    /// A clock that does not wait for anybody.
    private final class FastClock: MonotonicClock {
        private let start = SystemClock().now
        /// A thousand times as fast as the machine's.
        var now: Int64 { (SystemClock().now - start) * 1000 }
        var utc: Int64 { now }
        var passesByItself: Bool { false }
        private let actions = Lock<[@Sendable () -> Void]>([])

        func onAdvance(_ action: @escaping @Sendable () -> Void) {
            actions.withLock { $0.append(action) }
        }

        /// Has the time looked at.
        func tick() { for action in actions.withLock({ $0 }) { action() } }
    }

    @Test("Jobs that hang do not keep others from being done")
    func hanging() throws {
        let clock = FastClock()
        let isReleased = Monitor(false)
        let done = Monitor<[Int]>([])
        let pool = WorkerPool("test", workers: 2, clock: clock)
        for job in 0..<10 {
            let isTaken = pool.put {
                if job < 3 { isReleased.wait { $0 ? () : nil } }
                done.withLock(waking: .all) { $0.append(job) }
                return .goesOn
            }
            #expect(isTaken)
        }
        // Three hang: both workers, and the first spare thread.
        let end = SystemClock().now + 30_000_000_000
        while done.withLock({ $0.count }) < 7, SystemClock().now < end {
            clock.tick()
            _ = done.wait(until: SystemClock().now + 5_000_000) { $0.count >= 7 ? () : nil }
        }
        #expect(done.withLock { $0 }.sorted() == Array(3..<10))
        isReleased.withLock(waking: .all) { $0 = true }
        pool.drain()
        #expect(done.withLock { $0 }.sorted() == Array(0..<10))
        #expect(!pool.put { .goesOn })
    }

    @Test("A thread that is lost is replaced at once, and its job comes first")
    func lost() {
        let pool = WorkerPool("test", workers: 1, clock: FastClock())
        let isReleased = Monitor(false)
        let done = Monitor<[String]>([])
        @Sendable func note(_ what: String) { done.withLock(waking: .all) { $0.append(what) } }
        let hangs = Monitor(false)
        _ = pool.put {
            hangs.withLock(waking: .all) { $0 = true }
            isReleased.wait { $0 ? () : nil }
            note("back")
            return .ends
        }
        hangs.wait { $0 ? () : nil }
        _ = pool.put {
            note("next")
            return .goesOn
        }
        pool.replaceThread {
            note("again")
            return .goesOn
        }
        // Nobody waits for the lost one.
        pool.drain()
        #expect(done.withLock { $0 } == ["again", "next"])
        isReleased.withLock(waking: .all) { $0 = true }
        done.wait { $0.count == 3 ? () : nil }
    }
}
