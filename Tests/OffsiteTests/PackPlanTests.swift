import Offsite
import Storage
import SyntheticStudy
import Testing

@Suite("A plan of packs") struct PackPlanTests {
    private static let minute: Int64 = 60_000_000_000

    private static func blob(_ random: inout SeededRandom, bytes: Int64) -> PackPlan.Blob {
        PackPlan.Blob(digest: digest(&random), bytes: bytes)
    }

    private static func digest(_ random: inout SeededRandom) -> Digest {
        Digest(bytes: (0..<32).map { _ in UInt8.random(in: 0...255, using: &random) })!
    }

    @Test("sends large blobs at once, and small ones when their series is quiet") func quiet() {
        var plan = PackPlan()
        plan.note(bytes: 1 << 20, series: 1, at: 0)
        plan.note(bytes: 1 << 20, series: 1, at: Self.minute)
        #expect(plan.due(at: Self.minute).isEmpty)
        #expect(plan.nextDue == 3 * Self.minute)
        plan.note(bytes: 4 << 20, series: 2, at: Self.minute)
        #expect(plan.due(at: Self.minute) == [PackPlan.Due(series: 2, isWhole: false)])
        #expect(
            plan.due(at: 3 * Self.minute) == [
                PackPlan.Due(series: 1, isWhole: true), PackPlan.Due(series: 2, isWhole: true),
            ])
        plan.settle(1, rest: [], oldest: 0)
        plan.settle(2, rest: [], oldest: 0)
        #expect(plan.count == 0 && plan.nextDue == nil)
    }

    @Test("never lets a blob of a series that is not quiet wait over an hour") func longest() {
        var plan = PackPlan()
        for minute in 0...100 as ClosedRange<Int64> {
            plan.note(bytes: 1000, series: 1, at: minute * Self.minute)
            for due in plan.due(at: minute * Self.minute) {
                #expect(due.isWhole && minute >= 45)
                plan.settle(1, rest: [], oldest: 0)
            }
            if let next = plan.nextDue { #expect(next <= (minute + 46) * Self.minute) }
        }
    }

    @Test("keeps what did not fit into a full pack waiting, no longer than it may") func rest() {
        var random = SeededRandom(seed: 3)
        var plan = PackPlan()
        let blobs = (0..<70).map { _ in Self.blob(&random, bytes: 1 << 20) }
        for (second, blob) in blobs.enumerated() {
            plan.note(bytes: blob.bytes, series: 9, at: Int64(second) * 1_000_000_000)
        }
        let now: Int64 = 70_000_000_000
        #expect(plan.due(at: now) == [PackPlan.Due(series: 9, isWhole: false)])
        let (objects, rest) = plan.objects(of: blobs, isWhole: false)
        #expect(objects.count == 1 && objects[0].blobs.count == 63 && rest.count == 7)
        plan.settle(9, rest: rest, oldest: 63_000_000_000)
        #expect(plan.due(at: now).isEmpty)
        #expect(plan.due(at: 69_000_000_000 + 2 * Self.minute).map(\.isWhole) == [true])
    }

    @Test("divides any series without losing, doubling or mixing anything", arguments: 0..<60)
    func properties(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let plan = PackPlan(
            PackPlan.Rules(
                singleBytes: Int64.random(in: 1...(4 << 20), using: &random),
                packBytes: Int64.random(in: (5 << 20)...(64 << 20), using: &random)))
        let blobs = (0..<Int.random(in: 0...400, using: &random)).map { _ in
            Self.blob(&random, bytes: Int64.random(in: 0...(5 << 20), using: &random))
        }
        let isWhole = Bool.random(using: &random)
        let (objects, rest) = plan.objects(of: blobs, isWhole: isWhole)
        #expect(Set(objects.flatMap(\.blobs) + rest) == Set(blobs))
        #expect(objects.flatMap(\.blobs).count + rest.count == blobs.count)
        #expect(!isWhole || rest.isEmpty)
        #expect(rest.allSatisfy { $0.bytes < plan.rules.singleBytes })
        for object in objects {
            switch object {
            case .single(let blob):
                // A small one alone fills a pack where two do not fit.
                #expect(
                    isWhole || blob.bytes >= plan.rules.singleBytes
                        || 2 * plan.rules.singleBytes > plan.rules.packBytes - 4096)
            case .pack(let blobs):
                #expect(blobs.count >= 2)
                #expect(blobs.allSatisfy { $0.bytes < plan.rules.singleBytes })
                #expect(zip(blobs, blobs.dropFirst()).allSatisfy { $0.digest < $1.digest })
                // As PackWriter makes it: headers, whole blocks, sums and the end.
                let sums = Int64(blobs.count * 147)
                let bytes = blobs.reduce(512 + (sums + 511) / 512 * 512 + 1024) {
                    $0 + 512 + ($1.bytes + 511) / 512 * 512
                }
                #expect(bytes <= plan.rules.packBytes)
            }
        }
    }

    @Test("lets nothing wait over its time, whatever comes", arguments: 100..<140)
    func waiting(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let rules = PackPlan.Rules(quiet: 10, longest: 50, packBytes: 20 << 20)
        var plan = PackPlan(rules)
        // What an archive would have: each blob with the moment it came.
        var waiting: [Int64: [(blob: PackPlan.Blob, time: Int64)]] = [:]
        for now in 0..<600 as Range<Int64> {
            if now < 500 {
                for _ in 0..<Int.random(in: 0...3, using: &random) {
                    let series = Int64.random(in: 1...4, using: &random)
                    let blob = Self.blob(
                        &random, bytes: Int64.random(in: 0...(6 << 20), using: &random))
                    waiting[series, default: []].append((blob, now))
                    plan.note(bytes: blob.bytes, series: series, at: now)
                }
            }
            for due in plan.due(at: now) {
                let all = waiting[due.series] ?? []
                let (objects, rest) = plan.objects(of: all.map(\.blob), isWhole: due.isWhole)
                #expect(!objects.isEmpty)
                let kept = Set(rest.map(\.digest))
                waiting[due.series] = all.filter { kept.contains($0.blob.digest) }
                plan.settle(
                    due.series, rest: rest, oldest: waiting[due.series]?.map(\.time).min() ?? now)
            }
            #expect(plan.due(at: now).isEmpty)
            for (blob, time) in waiting.values.joined() {
                #expect(now - time < rules.longest && blob.bytes < rules.singleBytes)
            }
        }
        #expect(plan.count == 0 && waiting.values.allSatisfy(\.isEmpty))
    }
}
