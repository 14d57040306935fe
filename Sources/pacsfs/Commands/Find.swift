import ArgumentParser
import Archive
import DICOM
import TagIndex

struct Find: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Find studies.",
        discussion: """
            Words match the beginning of names, ids, species, breeds, modalities, body parts and \
            descriptions; case and accents do not matter. Dates are 2024, 2024-05, 2024-05-01 or a \
            range such as 2024-01..2024-03. KEYWORD=VALUE matches an attribute (Modality=CT, \
            id=1234). A study is found when all of them match.

            Example:
              pacsfs find smith rex 2024 dx
            """)

    @Argument(help: "What to look for.")
    var words: [String] = []

    @OptionGroup var archive: ArchiveOption

    @Option(name: .long, help: "Print at most this many studies.")
    var limit = 100

    @Flag(name: .long, help: "Print JSON.")
    var json = false

    func run() throws {
        try reporting {
            let path = try archive.existing
            let query = try SearchQuery(words: words)
            let index = try TagIndex(readingFrom: ArchivePaths(path).index)
            let found = try index.read { try $0.studies(query, limit: limit) }
            let root = Paths.mountpoint(of: path)
            let studies = found.map { study in
                FindDocument.Study(
                    date: study.date, attributes: Self.attributes(study.attributes),
                    modalities: study.modalities, series: study.series, images: study.images,
                    paths: study.paths.map { Paths.shown($0, in: root) })
            }
            if json {
                try Output.json(FindDocument(studies: studies))
            } else {
                Output.lines(lines(studies))
            }
            if studies.isEmpty { throw ExitStatus.notFound.code }
        }
    }

    private static func attributes(_ all: AttributeSet) -> [String: String] {
        let shown: [Attribute] = [.patientName, .patientID, .studyDescription, .studyInstanceUID]
        return shown.reduce(into: [:]) { $0[$1.keyword] = all[$1] }
    }

    private func lines(_ studies: [FindDocument.Study]) -> [String] {
        if studies.isEmpty { return ["Nothing was found for \"\(words.joined(separator: " "))\"."] }
        var lines = studies.flatMap(Self.lines)
        if studies.count == limit {
            lines.append("There may be more: --limit \(limit * 10) shows them.")
        }
        return lines
    }

    private static func lines(_ study: FindDocument.Study) -> [String] {
        let patient = [
            study.attributes["PatientName"], study.attributes["PatientID"].map { "(\($0))" },
        ].compactMap(\.self).joined(separator: " ")
        let content = (study.modalities + [study.attributes["StudyDescription"]].compactMap(\.self))
            .joined(separator: " ")
        let line =
            """
            \(study.date ?? "undated   ")  \(patient)  \(content)  \
            \(Output.count(study.images, "image", "images")) in \
            \(Output.count(study.series, "series", "series"))
            """
        let path = study.paths.first { $0.contains("by-patient/") } ?? study.paths.first
        return [line] + (path.map { ["            \($0)"] } ?? [])
    }
}
