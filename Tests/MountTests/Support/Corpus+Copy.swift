import TestSupport

extension Corpus {
    /// Files about the corpus, which are not of it.
    static let documents: Set<String> = ["EXPECTED.jsonl", "MANIFEST.tsv", "LICENSES.md"]

    /// Copies its files to `directory`, without its documents.
    func copy(_ sets: [String] = Corpus.sets, to directory: String) throws {
        let excluded = Self.documents.sorted().map { "--exclude=\($0)" }
        let run = try ProgramRun(
            ["rsync", "-r", "--mkpath"] + excluded + sets + [directory + "/"], in: root)
        guard run.succeeded else { throw ProgramError(description: run.report) }
    }

    /// Copies all odd and malformed files of `samples` to `directory`, and some of the others; but
    /// no truncated ones, which `import` archives and incoming rejects.
    ///
    /// - Returns: How many.
    @discardableResult
    func copyOdd(to directory: String) throws -> Int {
        let samples = try entries("samples").filter { entry in
            !CorpusArchives.cutOff.contains { entry.path.hasSuffix("/" + $0) }
        }
        let valid = samples.filter(\.isValidAndCrossChecked).enumerated().filter {
            $0.offset.isMultiple(of: 5)
        }.map(\.element)
        let chosen = samples.filter { !$0.isValidAndCrossChecked } + valid
        let run = try ProgramRun(
            [
                "bash", "-c",
                "mkdir -p \"$0\" && cp --parents --no-preserve=mode -t \"$0\" -- \"$@\"", directory,
            ] + chosen.map(\.pathFromRoot), in: root)
        guard run.succeeded else { throw ProgramError(description: run.report) }
        return chosen.count
    }
}
