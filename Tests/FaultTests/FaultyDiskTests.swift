import Foundation
import TestSupport
import Testing

/// Calls on one volume fail, one after the other, while the other volume is well: nothing that
/// was said to be safe is lost, what failed is named, and the next import archives it.
@Suite("A disk that fails", .enabled(if: PacsfsProgram.path != nil, "there is no pacsfs"))
struct FaultyDiskTests {
    /// Imports under rules, and checks the answers against what is on the disks.
    ///
    /// - Returns: Whether a fault had an effect: a file was reported as failed.
    @discardableResult
    private func importSources(
        _ archive: TestArchive, _ rules: [FaultRule], _ place: Comment
    ) throws -> Bool {
        let run = try archive.importSources(rules)
        let hasStarted = !run.outcomes.isEmpty
        if hasStarted {
            #expect(run.outcomes.count == archive.sources.count, "\(place): \(run.run.report)")
            #expect(run.run.code == (run.failed.isEmpty ? 1 : 2), "\(place): \(run.run.report)")
            for file in run.failed {
                // Its name, and why; a reason that many have in common is said once.
                let isNamed =
                    run.run.output.contains("      \(file.path)\n")
                    || run.run.output.contains(file.path + "\n      ")
                #expect(isNamed, "\(place): \(run.run.report)")
            }
            let reasons = [
                " was not archived", " is stored", "Look at \"pacsfs status\"", " cannot ",
            ]
            if !run.failed.isEmpty {
                #expect(
                    reasons.contains { run.run.output.contains($0) }, "\(place): \(run.run.report)")
            }
        } else {
            #expect(
                run.run.code == 2 && run.run.errors.contains(archive.base),
                "\(place): \(run.run.report)")
        }
        let problems = try archive.problems(acknowledged: run.acknowledged)
        #expect(problems == [], place)
        #expect(try archive.problemsAfterSecondImport() == [], place)
        return !hasStarted || !run.failed.isEmpty
    }

    /// Does the same at the first call, at the second, and so on, to the last.
    ///
    /// - Parameter lasts: The disk does not recover.
    private func failEverywhere(
        _ rule: (FaultRule.Calls) -> FaultRule, kinds: [String] = [], root: Int,
        lasts: Bool = false,
        step: Int = 1, atLeast: Int
    ) throws {
        try TestArchive.with { archive in
            var (number, unfelt, felt) = (1, 0, 0)
            // Some calls are hints or tidy up: nobody feels their failure.
            while unfelt < 12 {
                if number > 1 { try archive.restore() }
                let rule = rule(
                    FaultRule.Calls(number, to: lasts ? 0 : nil, kinds: kinds, root: root))
                if try importSources(archive, [rule], "\(rule)") {
                    (felt, unfelt) = (felt + 1, 0)
                } else {
                    unfelt += 1
                }
                number += step
            }
            #expect(felt >= atLeast)
        }
    }

    @Test("with EIO at any one call is found out, and the rest goes on", arguments: [1, 2])
    func once(root: Int) throws {
        try failEverywhere({ .fail(EIO, $0) }, root: root, step: 2, atLeast: 5)
    }

    @Test("for good from any call on is found out") func forGood() throws {
        try failEverywhere({ .fail(EIO, $0) }, root: 2, lasts: true, step: 3, atLeast: 8)
    }

    @Test("for lack of room at any call refuses, and goes on when there is room") func full() throws
    {
        try failEverywhere({ .fail(ENOSPC, $0) }, root: 2, step: 2, atLeast: 8)
    }

    @Test("by turning read-only at any call refuses, and goes on later") func readOnly() throws {
        try failEverywhere({ .fail(EROFS, $0) }, root: 1, lasts: true, step: 5, atLeast: 4)
    }

    @Test("to read what it holds is never believed", arguments: [1, 2]) func unreadable(
        root: Int
    ) throws {
        try TestArchive.with { archive in
            for number in 1...12 {
                if number > 1 { try archive.restore() }
                let rule = FaultRule.fail(EIO, .init(number, kinds: ["read", "open"], root: root))
                try importSources(archive, [rule], "\(rule)")
            }
        }
    }

    @Test("to write all at once is written to again", arguments: [1, 2]) func short(root: Int)
        throws
    {
        try TestArchive.with { archive in
            let run = try archive.importSources([
                .short(.init(1, to: 0, kinds: ["write", "copy"], root: root))
            ])
            #expect(
                run.run.code == 1 && run.acknowledged.count == archive.sources.count,
                "\(run.run.report)")
            #expect(try archive.problems(acknowledged: archive.sources) == [])
        }
    }

    @Test("to be fast takes longer, and no more") func slow() throws {
        try TestArchive.with { archive in
            let run = try archive.importSources([
                .delay(microseconds: 5000, .init(1, to: 0, root: 2)),
                .delay(
                    microseconds: 200_000, .init(1, to: 4, kinds: ["fsync", "fdatasync"], root: 1)),
            ])
            #expect(
                run.run.code == 1 && run.acknowledged.count == archive.sources.count,
                "\(run.run.report)")
            #expect(try archive.problems(acknowledged: archive.sources) == [])
        }
    }
}
