import Foundation
import TestSupport
import SyntheticStudy
import Testing

/// The power fails in the middle of an import: only what was synced is sure to remain. This finds a
/// missing sync. Killing the process does not, because the kernel lives on.
@Suite("A power cut", .enabled(if: PacsfsProgram.path != nil, "there is no pacsfs"))
struct PowerCutTests {
    /// The state of `index.sqlite` after the power cut.
    enum IndexFate: CaseIterable {
        /// It is cut as the volumes are.
        case cut
        /// It lay on a disk that did not survive.
        case lost
    }

    /// Imports the sources, and notes every call.
    private func traced(_ archive: TestArchive, _ rules: [FaultRule] = []) throws -> [TraceRecord] {
        let run = try archive.importSources(rules, isTraced: true)
        try #require(
            run.run.code == 1 && run.acknowledged.count == archive.sources.count,
            "\(run.run.report)")
        return try TraceRecord.all(in: archive.trace)
    }

    /// Cuts the power before a record of the trace, and checks what is left.
    private func problems(
        _ archive: TestArchive, _ model: DiskModel, _ outcomes: [String: String],
        _ index: IndexFate,
        _ chance: Survivor.Chance? = nil, importsAgain: Bool
    ) throws -> [String] {
        let removal = try ProgramRun(["rm", "-rf", "--", archive.base])
        try #require(removal.succeeded, "\(removal.report)")
        try FileManager.default.createDirectory(
            atPath: archive.base, withIntermediateDirectories: false)
        var survivor = Survivor(chance)
        try survivor.put(model)
        if index == .lost {
            for suffix in ["", "-wal", "-shm"] { unlink("\(archive.path)/index.sqlite\(suffix)") }
        }
        let acknowledged = ImportRun.acknowledged(outcomes, of: archive.sources)
        let found = try archive.problems(
            acknowledged: acknowledged, options: [.alone, .afterPowerLoss])
        guard found.isEmpty, importsAgain else { return found }
        return try archive.problemsAfterSecondImport(options: [.afterPowerLoss])
    }

    /// Replays a trace and cuts the power at each record for which `isPlace` is true.
    ///
    /// - Returns: Where the power was cut, and what was wrong then.
    private func replay(
        _ archive: TestArchive, _ trace: [TraceRecord], _ model: DiskModel, index: IndexFate,
        chance: (Int) -> Survivor.Chance? = { _ in nil }, at isPlace: (Int) -> Bool
    ) throws -> [Int: [String]] {
        var results: [Int: [String]] = [:]
        var heard = ""
        for number in trace.indices {
            if isPlace(number) {
                results[number] = try problems(
                    archive, model, ImportRun.outcomes(in: heard), index, chance(number),
                    importsAgain: results.count % 4 == 0)
            }
            try model.apply(trace[number])
            if trace[number].kind == .mark {
                heard += String(decoding: trace[number].payload, as: UTF8.self)
            }
        }
        results[trace.count] = try problems(
            archive, model, ImportRun.outcomes(in: heard), index, chance(trace.count),
            importsAgain: true)
        return results
    }

    @Test(
        "before any sync leaves everything that was said to be safe", arguments: IndexFate.allCases)
    func strict(index: IndexFate) throws {
        try TestArchive.with { archive in
            let model = try DiskModel(roots: archive.roots)
            let trace = try traced(archive)
            // Between two syncs only the acknowledgements change; there are most of them just
            // before the next sync.
            let results = try replay(archive, trace, model, index: index) { trace[$0].isSync }
            #expect(results.count > 30)
            for (number, problems) in results.sorted(by: { $0.key < $1.key }) {
                #expect(problems == [], "cut before call \(number)")
            }
        }
    }

    @Test(
        "that keeps parts of the unsynced changes loses nothing either",
        arguments: IndexFate.allCases)
    func torn(index: IndexFate) throws {
        let seed = FaultSeed.value
        try TestArchive.with { archive in
            let model = try DiskModel(roots: archive.roots)
            let trace = try traced(archive)
            var random = SeededRandom(seed: seed, 0x746f)
            let places = Set((0..<25).map { _ in random.below(trace.count) })
            let results = try replay(
                archive, trace, model, index: index,
                chance: { Survivor.Chance(seed: seed &+ UInt64($0)) },
                at: places.contains)
            for (number, problems) in results.sorted(by: { $0.key < $1.key }) {
                #expect(problems == [], "cut before call \(number), PACSFS_FAULT_SEED=\(seed)")
            }
        }
    }

    /// Linux reports bytes that could not be written only once, and then takes them for written: a
    /// second sync succeeds and means nothing.
    @Test(
        "after a failed sync keeps everything that was acknowledged in spite of it",
        arguments: [1, 2],
        // A file that is stored alone is not stored again by the process whose sync failed, but
        // by the next process, which finds what is left of the file on both volumes.
        ["", "4-c.dcm"])
    func failedSync(root: Int, only name: String) throws {
        try TestArchive.with { archive in
            for number in 1...40 {
                if number > 1 { try archive.restore() }
                let model = try DiskModel(roots: archive.roots)
                let calls = FaultRule.Calls(
                    number, kinds: ["fsync", "fdatasync", "syncfs"], root: root)
                let first = try archive.importSources(
                    [.fail(EIO, calls)], isTraced: true, only: name)
                // Failed files are imported again; without another power cut they must be whole.
                let again = try archive.importSources([], isTraced: true)
                let trace = try TraceRecord.all(in: archive.trace)
                if !trace.contains(where: { $0.isSync && $0.result > 0 }) { break }
                let outcomes = first.outcomes.merging(again.outcomes) { $1 }
                for record in trace { try model.apply(record) }
                let found = try problems(
                    archive, model, outcomes, .cut, importsAgain: number % 4 == 0)
                #expect(found == [], "sync \(number) failed: \(first.run.output)")
            }
        }
    }

    @Test(
        "is survived only because of the syncs: without them the model finds the loss",
        arguments: ["file", "folder"])
    func lies(type: String) throws {
        try TestArchive.with { archive in
            let model = try DiskModel(roots: archive.roots)
            let lie = FaultRule.lie(
                .init(1, to: 0, kinds: ["fsync", "fdatasync", "syncfs"], type: type))
            let trace = try traced(archive, [lie])
            let results = try replay(archive, trace, model, index: .lost) {
                trace[$0].kind == .mark
            }
            let lost = results.values.joined().filter { $0.hasPrefix("LOST") }
            #expect(!lost.isEmpty, "the disk lied about every \(type), and nothing was missing")
        }
    }
}

/// Where chance comes from: the same unless `PACSFS_FAULT_SEED` says otherwise.
enum FaultSeed {
    static let value =
        ProcessInfo.processInfo.environment["PACSFS_FAULT_SEED"].flatMap { UInt64($0) }
        ?? 20_261_122
}
