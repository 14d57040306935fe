import Foundation
import TestSupport
import Storage
import SyntheticStudy
import Testing

/// A daemon that dies at a random call while several writers copy files into its mount, again
/// and again on the same archive; also while it starts.
@Suite(
    "A daemon that dies at a random call", .serialized,
    .enabled(
        if: PacsfsProgram.canMount && PacsfsProgram.path != nil,
        "there is no /dev/fuse, or no pacsfs"))
struct RandomCrashTests {
    /// `PACSFS_CRASH_ROUNDS`; Scripts/test asks for 200.
    private static let rounds =
        ProcessInfo.processInfo.environment["PACSFS_CRASH_ROUNDS"].flatMap { Int($0) } ?? 60
    /// Then a new archive is begun.
    private static let roundsPerArchive = 20
    private static let imagesPerRound = 12

    /// Small images of a few patients, with the digest of each.
    private func makeSources(in folder: TemporaryFolder) throws -> [ArchiveCheck.Given] {
        let images = SyntheticArchive(
            seed: FaultSeed.value, patients: 6, studiesPerPatient: 2, seriesPerStudy: 2,
            imagesPerSeries: 10,
            bytesPerImage: 3000)
        return try images.enumerated().map { number, image in
            let bytes = image.write()
            let path = "\(folder.path)/sources/\(number).dcm"
            try Files.write(bytes, to: path)
            return ArchiveCheck.Given(path: path, digest: Digest.of(bytes).hex)
        }
    }

    private func rule(_ random: inout SeededRandom) -> [FaultRule] {
        let moment = random.pick([FaultRule.Moment.before, .before, .during, .after])
        switch random.below(10) {
        case 0: return []
        case 1...2:
            return [
                .kill(moment, .init(1 + random.below(30), kinds: ["fsync", "fdatasync", "syncfs"]))
            ]
        case 3...4:
            return [
                .kill(
                    moment,
                    .init(1 + random.below(20), kinds: ["link", "rename", "unlink", "mkdir"]))
            ]
        case 5...6: return [.kill(moment, .init(1 + random.below(400)))]
        // The index, root 3, has most of the calls.
        default: return [.kill(moment, .init(1 + random.below(200), root: 1 + random.below(2)))]
        }
    }

    @Test("loses nothing that it had said is safe") func rounds() throws {
        let seed = FaultSeed.value
        var random = SeededRandom(seed: seed, 0x726f)
        let folder = try TemporaryFolder()
        let sources = try makeSources(in: folder)
        let source = Dictionary(uniqueKeysWithValues: sources.map { ($0.path, $0) })
        var (mount, acknowledged, waiting) = (CrashingMount?.none, [String](), [String]())
        defer { mount?.remove() }
        var (died, copied) = (0, 0)
        for round in 0..<Self.rounds {
            let place: Comment = "round \(round), PACSFS_FAULT_SEED=\(seed)"
            if round % Self.roundsPerArchive == 0 {
                mount?.remove()
                mount = try CrashingMount(in: folder, number: round)
                (acknowledged, waiting) = ([], sources.map(\.path))
            }
            let current = try #require(mount)
            let started = try current.mount(rule(&random), passthrough: random.below(2) == 0)
            if started.succeeded {
                // Some that are archived come again, among those that are new.
                var batch = waiting.prefix(Self.imagesPerRound) + acknowledged.prefix(2)
                batch.shuffle(using: &random)
                let count = 1 + random.below(4)
                let shares = (0..<count).map { share in
                    batch.enumerated().filter { $0.offset % count == share }.map(\.element)
                }
                let safe = try current.write(shares, to: "round-\(round)")
                copied += safe.count
                acknowledged += safe.filter { !acknowledged.contains($0) }
                let known = Set(safe)
                waiting.removeAll { known.contains($0) }
                waiting.shuffle(using: &random)
            } else {
                #expect(current.daemon == nil, "\(started.report), \(place)")
            }
            died += current.daemon == nil ? 1 : 0
            try current.killDaemon()
            let again = try current.mount()
            try #require(again.succeeded, "\(again.report), \(place)")
            let problems = try current.problems(
                given: sources, acknowledged: acknowledged.compactMap { source[$0] })
            try #require(problems == [], place)
            if let last = acknowledged.last, let digest = source[last]?.digest, round % 5 == 0 {
                #expect(try current.shows(digest), place)
            }
            // The next round begins with a dead daemon or with one that ended well.
            if random.below(12) == 0 { try current.unmount() } else { try current.killDaemon() }
        }
        print(
            """
            \(Self.rounds) rounds, PACSFS_FAULT_SEED=\(seed): \(copied) copies, \(died) deaths \
            at a chosen call
            """
        )
        #expect(died * 2 > Self.rounds && copied > Self.rounds)
    }
}
