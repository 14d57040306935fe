import System
import Testing

@Suite struct BackgroundLoopTests {
    /// Lets a test wait for the passes of a loop.
    private final class Passes: Sendable {
        private let count = Monitor(0)

        func add() { count.withLock(waking: .all) { $0 += 1 } }
        func wait(for number: Int) { count.wait { $0 >= number ? () : nil } }
        var total: Int { count.withLock { $0 } }
    }

    @Test("The work is done at once, and again each time it is woken")
    func waking() throws {
        let passes = Passes()
        let loop = BackgroundLoop("loop", clock: SystemClock())
        try loop.start {
            passes.add()
            return .whenWoken
        }
        passes.wait(for: 1)
        loop.wake()
        passes.wait(for: 2)
        loop.stopAndWait()
        #expect(passes.total == 2)
    }

    @Test("Being woken during the work leads to one more pass")
    func wakingItself() throws {
        let passes = Passes()
        let loop = BackgroundLoop("loop", clock: SystemClock())
        try loop.start(first: .whenWoken) { [weak loop] in
            passes.add()
            if passes.total < 5 { loop?.wake() }
            return .whenWoken
        }
        loop.wake()
        passes.wait(for: 5)
        loop.stopAndWait()
        #expect(passes.total == 5)
    }

    @Test("A pause that ends leads to the next pass")
    func pausing() throws {
        let passes = Passes()
        let loop = BackgroundLoop("loop", clock: SystemClock())
        try loop.start {
            passes.add()
            return .after(1_000_000)
        }
        passes.wait(for: 3)
        loop.stopAndWait()
    }

    @Test("Stopping does not wait for the pause to end")
    func stopping() throws {
        let loop = BackgroundLoop("loop", clock: SystemClock())
        try loop.start(first: .after(.max)) {
            Issue.record("The work was done before its time")
            return .whenWoken
        }
        loop.stopAndWait()
        #expect(loop.isStopping)
    }

    @Test("The work is released when the loop has ended")
    func release() throws {
        final class Owner: Sendable {}
        let loop = BackgroundLoop("loop", clock: SystemClock())
        weak var released: Owner?
        do {
            let owner = Owner()
            released = owner
            try loop.start {
                withExtendedLifetime(owner) { .whenWoken }
            }
        }
        loop.stopAndWait()
        #expect(released == nil)
    }
}
