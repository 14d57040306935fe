import ArgumentParser
import Archive
import Foundation
import TagIndex

struct Find: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Find studies.",
        discussion: """
            Words match the beginning of names, ids, species, breeds, modalities, body parts and \
            descriptions, ignoring case and accents. Dates are 2024, 2024-05, 2024-05-01 or a range such as 2024-01..2024-03. KEYWORD=VALUE \
            matches an attribute (Modality=CT, id=1234). All must hold.

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

    private struct Study: Encodable {
        var date: String?
        var PatientName: String?
        var PatientID: String?
        var StudyDescription: String?
        var StudyInstanceUID: String?
        var modalities: [String]
        var series: Int
        var images: Int
        var paths: [String]
    }

    func run() throws {
        try reporting {
            let path = try archive.existing
            let query = try SearchQuery(words: words)
            let index = try TagIndex(readingFrom: path + "/index.sqlite")
            let found = try index.read { try $0.studies(query, limit: limit) }
            let root = Paths.mountpoint(of: path)
            let studies = found.map { study in
                Study(
                    date: study.date, PatientName: study.attributes[.patientName],
                    PatientID: study.attributes[.patientID],
                    StudyDescription: study.attributes[.studyDescription],
                    StudyInstanceUID: study.attributes[.studyInstanceUID],
                    modalities: study.modalities,
                    series: study.series, images: study.images,
                    paths: study.paths.map {
                        ((root.map { [$0] } ?? []) + $0).joined(separator: "/")
                    })
            }
            if json {
                try Output.json(studies)
            } else {
                printTable(studies, isMounted: root != nil)
            }
            if studies.isEmpty { throw ExitStatus.notFound.code }
        }
    }

    private func printTable(_ studies: [Study], isMounted: Bool) {
        if studies.isEmpty { print("Nothing was found for «\(words.joined(separator: " "))».") }
        for study in studies {
            let who = [study.PatientName, study.PatientID.map { "(\($0))" }].compactMap { $0 }
                .joined(separator: " ")
            let what = (study.modalities + [study.StudyDescription].compactMap { $0 }).joined(
                separator: " ")
            print(
                "\(study.date ?? "undated   ")  \(who)  \(what)  \(Output.count(study.images, "image", "images")) in \(Output.count(study.series, "series", "series"))"
            )
            let path = study.paths.first { $0.contains("by-patient/") } ?? study.paths.first
            if let path { print("            \(path)") }
        }
        if studies.count == limit { print("There may be more: --limit \(limit * 10) shows them.") }
    }
}
