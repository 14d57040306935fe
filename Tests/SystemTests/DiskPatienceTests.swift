import Glibc
import System
import Testing
import TestSupport

@Suite("Disks that do not answer", .mayNotHang)
struct DiskPatienceTests {
    private struct NotAnswering: Error {}

    /// A call that hangs until it is let go.
    private final class Hang: Sendable {
        private let state = Monitor((isOver: false, inside: 0))

        func call() {
            state.withLock(waking: .all) { $0.inside += 1 }
            state.wait { $0.isOver ? () : nil }
            state.withLock(waking: .all) { $0.inside -= 1 }
        }

        /// As a system call, which no monitor waits for.
        func blockingCall() {
            state.withLock(waking: .all) { $0.inside += 1 }
            while !state.withLock({ $0.isOver }) { usleep(1000) }
            state.withLock(waking: .all) { $0.inside -= 1 }
        }

        func waitUntilCalled() { state.wait { $0.inside > 0 ? () : nil } }

        func end() { state.withLock(waking: .all) { $0.isOver = true } }
    }

    private let clock = ManualClock()
    private let patience: DiskPatience

    init() throws {
        patience = DiskPatience(limit: 8_000_000_000, clock: clock)
        try patience.start()
    }

    /// Lets time pass for those who watch, until something has come about.
    private func pass(until condition: @escaping @Sendable () -> Bool) throws {
        let isSo = eventually {
            clock.advance(by: 1)
            return condition()
        }
        try #require(isSo)
    }

    @Test("Who waits for a disk goes on after a while; nothing more is begun there")
    func gone() throws {
        let (disk, hang) = (DiskCalls(patience), Hang())
        defer { hang.end() }
        let ended = Monitor(false)
        disk.onGivingUp { ended.withLock { $0 = true } }
        let pending = patience.begin(otherwise: { NotAnswering() }) { () throws(NotAnswering) in
            try disk.call(otherwise: { NotAnswering() }) { () throws(NotAnswering) in
                hang.blockingCall()
            }
        }
        hang.waitUntilCalled()
        try pass { ended.withLock { $0 } }
        #expect(throws: NotAnswering.self) { try pending.wait() }
        #expect(disk.hasGivenUp && disk.isBusy)
        #expect(throws: NotAnswering.self) {
            try disk.call(otherwise: { NotAnswering() }) { () throws(NotAnswering) in
                Issue.record("It was called.")
            }
        }
        #expect(!disk.callHere { Issue.record("It was called.") })
        hang.end()
        try pass { !disk.isBusy }
        #expect(disk.hasGivenUp)
    }

    @Test("A thread that comes back late does nothing more, and its result counts for nothing")
    func late() throws {
        let (disk, hang) = (DiskCalls(patience), Hang())
        let steps = Monitor<[String]>([])
        let pending = patience.begin(otherwise: { NotAnswering() }) {
            () throws(NotAnswering) -> Int in
            let first = try disk.call(otherwise: { NotAnswering() }) {
                () throws(NotAnswering) in
                hang.blockingCall()
                return 1
            }
            steps.withLock { $0.append("second") }
            return first
        }
        hang.waitUntilCalled()
        try pass { disk.hasGivenUp }
        #expect(throws: NotAnswering.self) { try pending.wait() }
        hang.end()
        try pass { !disk.isBusy }
        #expect(steps.withLock { $0.isEmpty })
    }

    @Test("A call that shows that it goes on may take as long as it likes")
    func slow() throws {
        let (disk, isOver) = (DiskCalls(patience), Monitor(false))
        let pending = patience.begin(otherwise: { NotAnswering() }) { () throws(NotAnswering) in
            try disk.call(otherwise: { NotAnswering() }) { () throws(NotAnswering) in
                while !isOver.withLock({ $0 }) {
                    usleep(200)
                    DiskWork.goesOn()
                }
            }
        }
        // Ten times as long as anybody waits for one that does not.
        for _ in 0..<80 {
            clock.advance(by: 1)
            usleep(2000)
        }
        #expect(!disk.hasGivenUp)
        isOver.withLock { $0 = true }
        try pending.wait()
    }

    @Test("Who waits for another thread waits for no disk; nor does who stands still with the rest")
    func others() throws {
        let (disk, hang) = (DiskCalls(patience), Hang())
        let pending = patience.begin(otherwise: { NotAnswering() }) { () throws(NotAnswering) in
            try disk.call(otherwise: { NotAnswering() }) { () throws(NotAnswering) in hang.call() }
        }
        hang.waitUntilCalled()
        for _ in 0..<30 {
            clock.advance(by: 1)
            usleep(2000)
        }
        #expect(!disk.hasGivenUp)
        hang.end()
        try pending.wait()

        let second = Hang()
        let stopped = patience.begin(otherwise: { NotAnswering() }) { () throws(NotAnswering) in
            try disk.call(otherwise: { NotAnswering() }) { () throws(NotAnswering) in
                second.blockingCall()
            }
        }
        second.waitUntilCalled()
        // The machine slept for an hour.
        clock.advance(by: 3600)
        usleep(50_000)
        #expect(!disk.hasGivenUp)
        second.end()
        try stopped.wait()
    }

    @Test("Of a copy the disk is given up that keeps others waiting, too")
    func copies() throws {
        let (source, target) = (DiskCalls(patience), DiskCalls(patience))
        let hang = Hang()
        defer { hang.end() }
        let copy = patience.begin(otherwise: { NotAnswering() }) { () throws(NotAnswering) in
            try target.call(reading: source, otherwise: { NotAnswering() }) {
                () throws(NotAnswering) in hang.blockingCall()
            }
        }
        let probe = patience.begin(otherwise: { NotAnswering() }) { () throws(NotAnswering) in
            try source.call(otherwise: { NotAnswering() }) { () throws(NotAnswering) in
                hang.blockingCall()
            }
        }
        hang.waitUntilCalled()
        try pass { source.hasGivenUp }
        #expect(throws: NotAnswering.self) { try copy.wait() }
        #expect(throws: NotAnswering.self) { try probe.wait() }
        #expect(!target.hasGivenUp)
    }

    @Test("What holds something that others need is kept free of disks")
    func turns() throws {
        let (disk, hang) = (DiskCalls(patience), Hang())
        defer { hang.end() }
        let result = Monitor<Bool?>(nil)
        let work = DiskWork(patience) {}
        let thread = try WorkerThread("test") {
            work.perform {
                DiskWork.keptFree {
                    do throws(NotAnswering) {
                        try disk.call(otherwise: { NotAnswering() }) {
                            () throws(NotAnswering) in hang.blockingCall()
                        }
                    } catch {
                        result.withLock(waking: .all) { $0 = DiskWork.current == nil }
                    }
                }
            }
        }
        hang.waitUntilCalled()
        try pass { result.withLock { $0 != nil } }
        #expect(result.withLock { $0 } == true)
        thread.join()
        #expect(!work.isAbandoned)
    }
}
