import Foundation
import TestSupport
import Testing

/// An import is killed at each of its calls in turn; the next start has to find everything that
/// it had said is safe, and nothing that is half there.
@Suite("An import that is killed", .enabled(if: PacsfsProgram.path != nil, "there is no pacsfs"))
struct CrashTests {
    /// Kills at the first call, the second, and so on, until the import comes through.
    ///
    /// - Parameters:
    ///   - step: How far it is from one to the next.
    ///   - limit: No import has as many calls.
    private func killEverywhere(
        _ moment: FaultRule.Moment, kinds: [String] = [], root: Int? = nil, step: Int = 1,
        limit: Int = 1000
    ) throws {
        try TestArchive.with { archive in
            var (number, through, killed, heard) = (1, 0, 0, 0)
            // Threads take turns as they like: a run may have some calls fewer than another.
            while through < 3 {
                try #require(number < limit * step, "the import never came through")
                if number > 1 { try archive.restore() }
                let calls = FaultRule.Calls(number, kinds: kinds, root: root)
                let run = try archive.importSources([.kill(moment, calls)])
                if run.wasKilled {
                    (through, killed) = (0, killed + 1)
                    heard += run.acknowledged.isEmpty ? 0 : 1
                } else {
                    through += 1
                    #expect(run.run.code == 1, "\(run.run.report)")
                }
                let place: Comment =
                    "killed \(moment) call \(number)\(kinds.isEmpty ? "" : " of \(kinds)")"
                let problems = try archive.problems(acknowledged: run.acknowledged)
                #expect(problems == [], place)
                if number % 4 == 0 || !problems.isEmpty {
                    #expect(try archive.problemsAfterSecondImport() == [], place)
                }
                number += step
            }
            // It was killed at all, and also after it had begun to say that files are safe.
            #expect(killed >= (kinds.isEmpty ? 30 : 8))
            if kinds.isEmpty, root != 3 { #expect(heard > 0) }
        }
    }

    @Test("before any call that changes the first volume loses nothing") func firstVolume() throws {
        try killEverywhere(.before, root: 1)
    }

    @Test("before any call that changes the second volume loses nothing") func secondVolume() throws
    {
        try killEverywhere(.before, root: 2)
    }

    @Test("in the middle of any write to a volume loses nothing") func writes() throws {
        for root in 1...2 { try killEverywhere(.during, kinds: ["write", "copy"], root: root) }
    }

    @Test("before any call that changes the archive's directory loses nothing") func index() throws
    {
        try killEverywhere(.before, root: 3, step: 3)
    }
}
