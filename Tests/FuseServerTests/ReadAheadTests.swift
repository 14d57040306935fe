import Foundation
import System
import TestSupport
import Testing

@testable import FuseServer

@Suite("Entries that are made before they are asked for")
struct ReadAheadTests {
    /// A directory with the entries 1... that grows: a row more whenever somebody looks.
    private final class Rows: Sendable {
        private let state: Lock<(count: Int, looks: Int)>

        init(_ count: Int) { state = Lock((count, 0)) }

        var now: (count: Int, looks: Int) { state.withLock { $0 } }

        func grow() { state.withLock { $0.count += 1 } }

        func fill(_ cookie: Int, _ buffer: inout DirectoryBuffer) {
            let last = state.withLock { state in
                state.looks += 1
                return state.count
            }
            guard cookie < last else { return }
            for number in (cookie + 1)...last {
                let isIn = Array("image \(number)".utf8).withUnsafeBytes {
                    buffer.add($0, inode: UInt64(number), type: Int(DT_REG), cookie: number)
                }
                if !isIn { return }
            }
        }
    }

    /// The inode numbers in the answer to a READDIR.
    private func answer(_ ahead: ReadAhead, _ rows: Rows, after cookie: Int, size: Int) throws
        -> [Int]
    {
        let portion = try ahead.portion(after: cookie, size: size, rows.fill)
        ahead.goOn(after: portion, rows.fill)
        var numbers: [Int] = []
        var offset = 0
        while offset < portion.bytes.count {
            numbers.append(
                Int(portion.bytes.loadUnaligned(fromByteOffset: offset + 8, as: UInt64.self)))
            let length = Int(
                portion.bytes.loadUnaligned(fromByteOffset: offset + 16, as: UInt32.self))
            offset += (24 + length + 7) & ~7
        }
        return numbers
    }

    @Test(
        """
        A program that reads on, back and elsewhere gets the entries after its cookie, also \
        while rows come
        """
    )
    func order() throws {
        var random = SystemRandomNumberGenerator()
        let ahead = ReadAhead(on: SerialWorker("list ahead"))
        let rows = Rows(2000)
        var cookie = 0
        for _ in 0..<3000 {
            switch Int.random(in: 0..<20, using: &random) {
            case 0: cookie = 0
            case 1: cookie = Int.random(in: 0...rows.now.count, using: &random)
            default: break
            }
            if Bool.random(using: &random) { rows.grow() }
            let size = Int.random(in: 0..<10, using: &random) == 0 ? 1024 : 512
            let numbers = try answer(ahead, rows, after: cookie, size: size)
            let count = rows.now.count
            let portion = size == 512 ? 12 : 25
            #expect(numbers == Array(cookie..<min(count, cookie + numbers.count)).map { $0 + 1 })
            // The portions made ahead are full; the end is the present one.
            #expect(numbers.count >= portion || cookie + numbers.count == count)
            cookie = numbers.last ?? cookie
        }
    }

    @Test("Entries read from one end to the other are made once, except the last portion")
    func once() throws {
        let ahead = ReadAhead(on: SerialWorker("list ahead"))
        let rows = Rows(1200)
        var seen: [Int] = []
        while case let numbers = try answer(ahead, rows, after: seen.last ?? 0, size: 512),
            !numbers.isEmpty
        {
            seen += numbers
        }
        #expect(seen == Array(1...1200))
        // About 12 entries per portion; portions that were not full are looked up again.
        #expect(rows.now.looks <= 1200 / 12 + 4)
    }

    @Test(
        "Two readers of one open directory do not wait for each other forever",
        .mayNotHang)
    func two() async throws {
        let ahead = ReadAhead(on: SerialWorker("list ahead"))
        let rows = Rows(5000)
        try await withThrowingTaskGroup(of: [Int].self) { group in
            for _ in 0..<2 {
                group.addTask {
                    var seen: [Int] = []
                    while case let numbers = try answer(
                        ahead, rows, after: seen.last ?? 0, size: 512), !numbers.isEmpty
                    {
                        seen += numbers
                    }
                    return seen
                }
            }
            for try await seen in group { #expect(seen == Array(1...5000)) }
        }
    }

    @Test("An error goes to the reader that asks, and not earlier")
    func failure() throws {
        let ahead = ReadAhead(on: SerialWorker("list ahead"))
        let rows = Rows(100)
        let first = try ahead.portion(after: 0, size: 512, rows.fill)
        ahead.goOn(after: first) { (_, _) throws(Errno) in throw Errno(EIO) }
        let next = try ahead.portion(after: first.last, size: 512, rows.fill)
        #expect(next.after == first.last && next.used > 0)
        #expect(throws: Errno.self) {
            try ahead.portion(after: 0, size: 512) { (_, _) throws(Errno) in throw Errno(EIO) }
        }
    }
}
