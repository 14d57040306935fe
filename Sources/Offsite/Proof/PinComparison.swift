/// Compares a listing with the pins of a remote: what the server says now with what it said when
/// each object was proven.
///
/// Memory grows with the pins, about 200 bytes each, and not with the listing.
public struct PinComparison {
    /// How much a listing proves.
    public enum Proof: Hashable, Sendable {
        /// Size and hash are as pinned.
        case hash
        /// This kind of remote keeps no hashes; the size is as pinned.
        case sizeOnly
    }

    /// What is wrong with a pinned object.
    public enum Fault: Hashable, Sendable {
        case missing
        /// It has fewer bytes.
        case truncated(Int64)
        /// It has other bytes, as many or more.
        case changed
        /// It has the content of another pinned object.
        case swapped(with: String)
        /// The server has said a hash before and says none now, so the size alone is proven.
        case hashGone
        /// The server has several objects of this name.
        case doubled
    }

    /// The result.
    public struct Report: Sendable {
        /// Pinned objects that are as they should be, by how much that proves.
        public var good: [Proof: Int] = [:]
        /// What is wrong, in the order of the pins.
        public var faults: [(pin: Pin, fault: Fault)] = []
        /// Objects that nobody has pinned: of an interrupted push, or somebody else's. The first
        /// thousand.
        public var unknown: [String] = []
        public var unknownCount = 0
        /// The number of the newest objects that are gone together, while everything older is
        /// there: the remote was rolled back to an earlier state. 0 when that is not so.
        public var rolledBack = 0

        public var isGood: Bool { faults.isEmpty }
    }

    private enum Sight {
        case unseen
        case good(Proof)
        case bad(Fault, hash: String?)
    }

    private let pins: [Pin]
    private let numbers: [String: Int]
    private var sights: [Sight]
    private var report = Report()
    private static let mostUnknown = 1_000

    /// - Parameter pins: In the order in which they were recorded; a later one of an object
    ///   replaces an earlier one.
    public init(_ pins: some Sequence<Pin>) {
        var latest: [String: Int] = [:]
        var list: [Pin] = []
        for pin in pins {
            if let number = latest[pin.object] {
                list[number] = pin
            } else {
                latest[pin.object] = list.count
                list.append(pin)
            }
        }
        self.pins = list
        numbers = latest
        sights = Array(repeating: .unseen, count: list.count)
    }

    /// Takes an object of the listing.
    public mutating func take(_ object: ListedObject) {
        guard let number = numbers[object.name] else {
            report.unknownCount += 1
            if report.unknown.count < Self.mostUnknown { report.unknown.append(object.name) }
            return
        }
        if case .unseen = sights[number] {
            sights[number] = Self.sight(of: object, pins[number])
        } else {
            sights[number] = .bad(.doubled, hash: nil)
        }
    }

    private static func sight(of object: ListedObject, _ pin: Pin) -> Sight {
        let hash = pin.hash.flatMap { object.hashes[$0.kind] }
        if object.bytes < pin.bytes { return .bad(.truncated(object.bytes), hash: hash) }
        if object.bytes > pin.bytes { return .bad(.changed, hash: hash) }
        guard let pinned = pin.hash else { return .good(.sizeOnly) }
        guard let hash else { return .bad(.hashGone, hash: nil) }
        return hash == pinned.hex ? .good(.hash) : .bad(.changed, hash: hash)
    }

    /// The result, once the listing is whole.
    public func finish() -> Report {
        var report = report
        let strangers = Set(
            sights.compactMap { if case .bad(_, let hash) = $0 { hash } else { nil } })
        var owners: [String: String] = [:]
        for pin in pins where !strangers.isEmpty {
            if let hash = pin.hash?.hex, strangers.contains(hash) { owners[hash] = pin.object }
        }
        for (pin, sight) in zip(pins, sights) {
            switch sight {
            case .good(let proof): report.good[proof, default: 0] += 1
            case .unseen: report.faults.append((pin, .missing))
            case .bad(let fault, let hash):
                let owner = hash.flatMap { owners[$0] }
                report.faults.append((pin, owner.map { .swapped(with: $0) } ?? fault))
            }
        }
        report.rolledBack = rolledBack
        return report
    }

    /// One that is missing may be an accident; several at the end and none before are not.
    private var rolledBack: Int {
        func isMissing(_ sight: Sight) -> Bool { if case .unseen = sight { true } else { false } }
        let end = sights.reversed().prefix(while: isMissing).count
        let all = sights.count(where: isMissing)
        return end >= 2 && end == all && end < sights.count ? end : 0
    }
}
