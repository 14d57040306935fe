import Offsite
import Storage
import TagIndex

/// The images that a remote does not have yet, as far as they have been looked for.
struct RemoteQueue: Sendable {
    private(set) var plan: PackPlan
    /// Up to this `instance.id` everything is in the plan, or away.
    private(set) var seen: Int64 = 0

    private static let page = 10_000

    init(_ rules: PackPlan.Rules = PackPlan.Rules()) { plan = PackPlan(rules) }

    /// Looks for images that came since the last look.
    ///
    /// - Returns: How many there are.
    /// - Throws: The errors of the index.
    mutating func look(
        on remote: Int64, _ index: TagIndex, shouldStop: () -> Bool
    ) throws -> Int {
        var count = 0
        while !shouldStop() {
            let (images, last) = try index.read {
                try $0.pending(onRemote: remote, after: seen, limit: Self.page)
            }
            for image in images {
                plan.note(bytes: image.bytes, series: image.series, at: image.received)
            }
            count += images.count
            guard let last else { break }
            seen = last
        }
        return count
    }

    /// Forgets everything: the next look begins with the first image.
    mutating func restart() {
        plan = PackPlan(plan.rules)
        seen = 0
    }

    /// Series that go now.
    ///
    /// - Parameter isAll: Whether all of them go, due or not.
    func due(at now: Int64, isAll: Bool) -> [PackPlan.Due] { plan.due(at: isAll ? .max : now) }

    /// Takes note of what is left of a series.
    mutating func settle(_ series: Int64, rest: [PendingImage]) {
        let oldest = rest.map(\.received).min() ?? 0
        plan.settle(series, rest: rest.compactMap(\.planned), oldest: oldest)
    }
}

extension PendingImage {
    var digest: Digest? { Digest(bytes: sha256) }

    var planned: PackPlan.Blob? { digest.map { PackPlan.Blob(digest: $0, bytes: bytes) } }
}
