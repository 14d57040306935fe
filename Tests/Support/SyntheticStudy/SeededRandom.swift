/// A generator that yields the same numbers in every run and on every machine (SeededRandom).
public struct SeededRandom: RandomNumberGenerator {
    private var state: UInt64

    /// The stream of a seed and of a place in it: two places have unrelated streams.
    public init(seed: UInt64, _ place: UInt64...) {
        state = seed
        for number in place {
            state = next() ^ number &* 0xd6e8_feb8_6659_fd93
        }
    }

    public mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }

    /// A number from 0 up to but not including the limit.
    public mutating func below(_ limit: Int) -> Int { Int(next() % UInt64(limit)) }

    public mutating func pick<Element>(_ choices: [Element]) -> Element {
        choices[below(choices.count)]
    }

    /// A UID made of a random UUID (PS3.5 B.2).
    mutating func uid() -> String {
        let high = next() & 0xffff_ffff_ffff_0fff | 0x4000
        let low = next() & 0x3fff_ffff_ffff_ffff | 0x8000_0000_0000_0000
        return "2.25.\(UInt128(high) << 64 | UInt128(low))"
    }

    /// A day of the given year as `YYYYMMDD`; the last three days of long months never come up.
    mutating func date(in year: Int) -> String {
        String(year * 10_000 + (1 + below(12)) * 100 + 1 + below(28))
    }

    /// A time of the working day, 08:00:00 to 17:59:59, as `HHMMSS`.
    mutating func time() -> String {
        String(1_000_000 + (8 + below(10)) * 10_000 + below(60) * 100 + below(60)).suffix(6)
            .description
    }
}
