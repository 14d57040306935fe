import System
import Testing

@Suite struct BlockingQueueTests {
    @Test("Elements come out in the order in which they were put in")
    func order() {
        let queue = BlockingQueue<Int>()
        for number in 1...5 { #expect(queue.put(number)) }
        #expect(queue.take() == 1)
        #expect(queue.take(atMost: 2) == [2, 3])
        #expect(queue.take(atMost: 9) == [4, 5])
    }

    @Test("A closed queue accepts nothing, and delivers its elements")
    func closing() {
        let queue = BlockingQueue<Int>()
        #expect(queue.put(1))
        queue.close()
        #expect(!queue.put(2))
        #expect(queue.take() == 1)
        #expect(queue.take() == nil)
        #expect(queue.takeFirst { _ in true } == nil)
    }

    @Test("Every element is taken by exactly one of many threads")
    func manyThreads() throws {
        let queue = BlockingQueue<Int>(limit: 16)
        let taken = Lock<[Int]>([])
        let takers = try (1...4).map { number in
            try WorkerThread("taker \(number)") {
                while let element = queue.take() { taken.withLock { $0.append(element) } }
            }
        }
        let putters = try (0..<4).map { part in
            try WorkerThread("putter \(part)") {
                for number in 0..<1000 { _ = queue.put(part * 1000 + number) }
            }
        }
        for putter in putters { putter.join() }
        queue.close()
        for taker in takers { taker.join() }
        #expect(taken.withLock { $0.sorted() } == Array(0..<4000))
    }

    @Test("A full queue lets a putter wait until an element was taken")
    func limit() throws {
        let queue = BlockingQueue<Int>(limit: 1)
        #expect(queue.put(1))
        let putter = try WorkerThread("putter") { #expect(queue.put(2)) }
        #expect(queue.take() == 1)
        putter.join()
        #expect(queue.take() == 2)
    }

    @Test("A taker with a condition skips other elements")
    func selection() {
        let queue = BlockingQueue<Int>(isSelective: true)
        for number in [1, 3, 4, 6] { #expect(queue.put(number)) }
        #expect(queue.takeFirst { $0.isMultiple(of: 2) } == 4)
        #expect(queue.take(atMost: 9) == [1, 3, 6])
    }
}
