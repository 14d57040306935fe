/// A limited number of places, such as descriptors, that owners take and give back.
///
/// An owner gets one more as long as it holds fewer than are free. So one alone gets half of them,
/// two get a third each, and however many there are, the next one finds places.
///
/// See: Choudhury and Hahne, "Dynamic queue length thresholds", 1998
public final class Shares<Owner: Hashable & Sendable>: Sendable {
    /// One of the places: it is given back when the last reference goes.
    public final class Place: Sendable {
        public let owner: Owner
        private let shares: Shares

        fileprivate init(_ owner: Owner, of shares: Shares) {
            (self.owner, self.shares) = (owner, shares)
        }

        deinit { shares.giveBack(owner) }
    }

    private struct State {
        var used = 0
        var held: [Owner: Int] = [:]
    }

    /// How many places there are.
    public let total: Int
    private let state = Lock(State())

    public init(total: Int) { self.total = total }

    /// Takes a place.
    ///
    /// - Returns: `nil` when the owner has its share.
    public func take(_ owner: Owner) -> Place? {
        let isTaken = state.withLock { state in
            guard Self.mayTake(holding: state.held[owner] ?? 0, used: state.used, of: total) else {
                return false
            }
            state.used += 1
            state.held[owner, default: 0] += 1
            return true
        }
        return isTaken ? Place(owner, of: self) : nil
    }

    /// The rule, for those who count by themselves.
    ///
    /// - Parameters:
    ///   - holding: How many places the owner has.
    ///   - used: How many all have.
    public static func mayTake(holding: Int, used: Int, of total: Int) -> Bool {
        holding < total - used
    }

    private func giveBack(_ owner: Owner) {
        state.withLock { state in
            state.used -= 1
            let left = (state.held[owner] ?? 1) - 1
            state.held[owner] = left > 0 ? left : nil
        }
    }

    /// How many places are taken.
    public var used: Int { state.withLock { $0.used } }
}
