import TagIndex
import Testing

@Suite("Inode numbers")
struct InodeNumberTests {
    static let largest = Int64(1) << 48 - 1

    static let numbers: [InodeNumber] = [
        .fixed(1), .fixed(4), .fixed(UInt64(largest)), .node(1), .node(largest), .instance(1),
        .instance(4_000_000_000), .instance(largest), .incoming(1), .incoming(UInt64(largest)),
        .rejected(1), .rejected(UInt64(largest)), .search(1), .searchNote(1), .study(1),
        .study(largest),
        .series(largest),
    ]

    /// Only for the kernel.
    static let found: [InodeNumber] = [
        .foundStudy(1, search: 1), .foundSeries(1, search: 1), .foundStudy(1 << 36 - 1, search: 0),
        .foundStudy(0, search: InodeNumber.endOfSearches - 1),
        .foundSeries(1 << 36 - 1, search: InodeNumber.endOfSearches - 1),
    ]

    @Test("A number comes back from its raw value", arguments: numbers + found)
    func roundTrip(number: InodeNumber) {
        #expect(InodeNumber(rawValue: number.rawValue) == number)
    }

    @Test("No two numbers have the same raw value")
    func areDistinct() {
        #expect(
            Set((Self.numbers + Self.found).map(\.rawValue)).count == Self.numbers.count
                + Self.found.count)
    }

    @Test("Every raw value is below 2^53, exact in a double", arguments: numbers)
    func fitsDouble(number: InodeNumber) {
        #expect(number.rawValue < 1 << 53)
        #expect(UInt64(Double(number.rawValue)) == number.rawValue)
    }

    @Test("The root is 1, as FUSE requires")
    func root() {
        #expect(InodeNumber.fixed(1).rawValue == 1)
    }

    @Test(
        "A number that no table can have given is refused",
        arguments: [9 << 48, 1 << 53, UInt64.max])
    func refusesForeign(value: UInt64) {
        #expect(InodeNumber(rawValue: value) == nil)
    }

    @Test("A number of the file system below that is too long is cut, not mixed with the table")
    func cutsLongNumbers() {
        #expect(InodeNumber.incoming(UInt64.max).rawValue >> 48 == 3)
        #expect(InodeNumber.rejected(UInt64.max).rawValue >> 48 == 4)
    }
}
