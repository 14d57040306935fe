import System
import Testing

@Suite("Shares")
struct SharesTests {
    @Test("Each owner takes as many as are left free, and the next one finds places")
    func rule() {
        let shares = Shares<Int>(total: 64)
        var places: [Shares<Int>.Place] = []
        func take(_ owner: Int) -> Int {
            let before = places.count
            while let place = shares.take(owner) { places.append(place) }
            return places.count - before
        }
        #expect(take(1) == 32)
        #expect(take(2) == 16)
        #expect(take(1) == 0)
        #expect(take(3) == 8)
        #expect(shares.used == 56)
        // What one gives back is there for all.
        places.removeAll { $0.owner == 1 }
        #expect(shares.used == 24)
        #expect(take(3) == 16 && take(2) == 4)
    }

    @Test("A place is given back when the last reference goes")
    func givenBack() {
        let shares = Shares<String>(total: 1)
        var place = shares.take("a")
        #expect(place != nil && shares.take("b") == nil)
        var other = place
        place = nil
        #expect(shares.used == 1 && other != nil)
        other = nil
        #expect(shares.used == 0)
    }
}
