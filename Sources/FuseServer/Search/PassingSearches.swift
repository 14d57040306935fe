import Glibc
import System
import TagIndex

/// The folders of `/search` that are not kept. Each exists from the LOOKUP of its words until the
/// kernel forgets it.
final class PassingSearches: Sendable {
    private struct State {
        var folders: [UInt64: (words: String, lookups: UInt64)] = [:]
        var numbers: [String: UInt64] = [:]
        var next = InodeNumber.firstPassingSearch

        mutating func advance() {
            next += 1
            if next == InodeNumber.endOfSearches { next = InodeNumber.firstPassingSearch }
        }
    }

    private let state = Lock(State())

    init() {
        // Not the numbers that an earlier run gave last.
        let span = InodeNumber.endOfSearches - InodeNumber.firstPassingSearch
        state.withLock { $0.next += UInt64(max(time(nil), 0)) * 64 % span }
    }

    /// The number of a folder, counted as one more look-up.
    func look(up words: String) -> UInt64 {
        state.withLock { state in
            if let number = state.numbers[words] {
                state.folders[number]?.lookups += 1
                return number
            }
            while state.folders[state.next] != nil { state.advance() }
            let number = state.next
            state.advance()
            state.folders[number] = (words, 1)
            state.numbers[words] = number
            return number
        }
    }

    /// Counts another look-up of a folder.
    ///
    /// - Throws: ESTALE when it was forgotten.
    func look(up number: UInt64) throws(Errno) {
        guard state.withLock({ $0.folders[number]?.lookups += 1 }) != nil else {
            throw Errno(ESTALE)
        }
    }

    func words(of number: UInt64) -> String? { state.withLock { $0.folders[number]?.words } }

    func forget(_ number: UInt64, count: UInt64) {
        state.withLock { state in
            guard let folder = state.folders[number] else { return }
            if folder.lookups > count {
                state.folders[number]?.lookups -= count
            } else {
                state.folders[number] = nil
                state.numbers[folder.words] = nil
            }
        }
    }
}
