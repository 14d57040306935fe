import Testing

@testable import FuseServer

@Suite("Files that were given their size ahead")
struct DeclaredSizeTests {
    /// What a program does to a file that is empty at first.
    private enum Step {
        case size(Int)
        case write(Range<Int>)
    }

    /// What is missing at the end.
    private func missing(_ steps: [Step]) -> String? {
        var announcement: DeclaredSize?
        var length = 0
        for step in steps {
            switch step {
            case .size(let size):
                if announcement != nil {
                    announcement?.resize(to: size)
                } else if size > length {
                    announcement = DeclaredSize(size: size, from: length)
                }
                length = size
            case .write(let range):
                announcement?.wrote(range)
                length = max(length, range.upperBound)
            }
            if announcement?.isFulfilled == true { announcement = nil }
        }
        return announcement?.missing
    }

    @Test("A size that is set once more makes no whole file of half a one")
    func again() {
        let half = "nothing was written after 50 of 100 bytes"
        #expect(missing([.size(100), .write(0..<50)]) == half)
        #expect(missing([.size(100), .size(100), .write(0..<50)]) == half)
        #expect(missing([.size(100), .write(0..<30), .size(100), .write(30..<50)]) == half)
        #expect(missing([.size(70), .write(0..<50), .size(100)]) == half)
        #expect(missing([.size(200), .write(0..<50), .size(100)]) == half)
        #expect(missing([.write(0..<20), .size(100), .write(20..<50)]) == half)
        #expect(
            missing([.size(60), .write(0..<60), .size(100), .write(60..<80)])
                == "nothing was written after 80 of 100 bytes")
        #expect(missing([.size(200), .write(0..<50), .size(50)]) == nil)
        #expect(missing([.size(100), .write(0..<50), .write(50..<100)]) == nil)
    }

    @Test(
        """
        Zeros that were left out are accepted: at the end when the size is set last, else when the \
        file is written in order
        """
    )
    func holes() {
        #expect(missing([.write(0..<50), .size(100)]) == nil)
        #expect(missing([.write(0..<20), .write(40..<50), .size(100)]) == nil)
        #expect(missing([.size(100), .write(0..<20), .write(40..<100)]) == nil)
        #expect(missing([.size(100), .write(0..<20), .write(40..<100), .size(120)]) == nil)
        // The same bytes once more, as a header that is put right.
        #expect(missing([.size(100), .write(0..<20), .write(40..<100), .write(4..<8)]) == nil)
        #expect(missing([.size(100)]) == nil)
        // rsync --preallocate --sparse
        #expect(missing([.size(100), .write(0..<50), .size(100)]) == nil)
    }

    @Test("Who writes in any order has to write everything")
    func outOfOrder() {
        #expect(
            missing([.size(100), .write(90..<100), .write(0..<10)])
                == "only 20 of 100 bytes were written")
        #expect(missing([.size(100), .write(90..<100), .write(0..<10), .write(10..<90)]) == nil)
        #expect(
            missing([.size(100), .write(50..<60), .write(0..<10), .write(5..<55), .write(60..<100)])
                == nil)
        let odd = stride(from: 1, to: 5000, by: 2).map { Step.write($0 * 10..<$0 * 10 + 10) }
        let even = stride(from: 0, to: 5000, by: 2).map { Step.write($0 * 10..<$0 * 10 + 10) }
        #expect(missing([.size(50_000)] + odd + even) == nil)
        #expect(missing([.size(50_000)] + odd.reversed() + even.dropLast(100)) != nil)
        #expect(missing([.size(50_000)] + odd.prefix(500) + even.prefix(600)) != nil)
    }
}
