import CLinux
import Glibc
import System
import Testing

@Suite struct ThreadTests {
    @Test("A serial worker does all that was put before its end, in order, and nothing after")
    func serialWorker() {
        let done = Lock<[Int]>([])
        let worker = SerialWorker("serial")
        for number in 0..<100 { worker.put { done.withLock { $0.append(number) } } }
        worker.finish()
        worker.put { done.withLock { $0.append(100) } }
        #expect(done.withLock { $0 } == Array(0..<100))
    }

    @Test("onAll runs every call on a thread of its own and keeps their order")
    func everyElement() {
        // Each waits for all others: with fewer threads than elements this would not end.
        let present = Monitor(0)
        let results = onAll(Array(0..<6)) { number in
            present.withLock(waking: .all) { $0 += 1 }
            present.wait { $0 == 6 ? () : nil }
            return number * 2
        }
        let values = results.map { result -> Int in
            switch result {
            case .success(let value): value
            }
        }
        #expect(values == [0, 2, 4, 6, 8, 10])
    }

    @Test("onAll gives each element's own error")
    func errors() {
        let results = onAll([ENOENT, 0, EIO]) { (code) throws(Errno) in
            if code != 0 { throw Errno(code) }
            return code
        }
        let codes = results.map { result -> Int32 in
            switch result {
            case .success(let code): code
            case .failure(let error): -error.code
            }
        }
        #expect(codes == [-ENOENT, 0, -EIO])
    }

    @Test("A lock excludes other threads")
    func lock() {
        let counter = LockedCounter()
        _ = onAll(Array(0..<8)) { _ in
            for _ in 0..<10_000 { counter.add() }
        }
        #expect(counter.value == 80_000)
    }

    @Test("A thread has its name, cut at a character")
    func name() throws {
        let name = Lock("")
        let thread = try WorkerThread("fünfzehn Bytesö") {
            var buffer = [CChar](repeating: 0, count: 16)
            pthread_getname_np(pthread_self(), &buffer, buffer.count)
            let bytes = buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:))
            name.withLock { $0 = String(decoding: bytes, as: UTF8.self) }
        }
        thread.join()
        #expect(name.withLock { $0 } == "fünfzehn Bytes")
    }

    @Test("A group waits for the threads of one kind")
    func group() {
        let group = ThreadGroup()
        let gate = Monitor(false)
        let ended = Lock<[String]>([])
        group.start("slow 1") {
            gate.wait { $0 ? () : nil }
            ended.withLock { $0.append("slow") }
        }
        for number in 1...3 {
            group.start("quick \(number)") { ended.withLock { $0.append("quick") } }
        }
        group.wait(for: "quick")
        #expect(ended.withLock { $0 } == ["quick", "quick", "quick"])
        gate.withLock(waking: .all) { $0 = true }
        group.wait(for: "slow")
        #expect(ended.withLock { $0 }.last == "slow")
    }
}

private final class LockedCounter: Sendable {
    private let count = Lock(0)

    func add() { count.withLock { $0 += 1 } }
    var value: Int { count.withLock { $0 } }
}
