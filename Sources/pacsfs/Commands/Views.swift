import ArgumentParser
import Archive
import DICOM
import Foundation
import Naming
import Storage
import System
import TagIndex

struct Views: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "views",
        abstract: "How the archive is shown: list the views, try a template.",
        discussion: """
            A view is a line in [views] of pacsfs.toml: a name and a template, which has DICOM \
            keywords in braces and a / between levels. After a change: pacsfs reload.

            Examples:
              pacsfs views
              pacsfs views try "{ResponsiblePerson}/{PatientName}/{StudyDate:yyyy-MM}"
            """,
        subcommands: [ViewList.self, ViewTry.self], defaultSubcommand: ViewList.self)
}

struct ViewList: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the views, and how far new ones are.",
        discussion: """
            Example:
              pacsfs views list
            """)

    @OptionGroup var archive: ArchiveOption

    @Flag(name: .long, help: "Print JSON.")
    var json = false

    func run() throws {
        try reporting {
            let paths = ArchivePaths(try archive.existing)
            let index = try TagIndex(readingFrom: paths.index)
            defer { index.close() }
            let settings = try Settings(file: paths.configuration)
            let views = try index.read { reader in
                try ViewStatus.list(
                    reader, wanted: settings.namesViews ? settings.views : reader.views())
            }
            if json {
                try Output.json(ViewListDocument(views: views))
            } else {
                Output.lines(Self.lines(views))
            }
        }
    }

    private static func lines(_ views: [ViewStatus]) -> [String] {
        let width = views.map(\.name.count).max() ?? 0
        let blank = String(repeating: " ", count: width)
        return views.flatMap { view in
            let name = view.name.padding(toLength: width, withPad: " ", startingAt: 0)
            return ["\(name)  \(view.template)", "\(blank)  \(state(of: view))"]
        }
    }

    private static func state(of view: ViewStatus) -> String {
        switch view.state {
        case .shown: "shown, \(Output.count(view.folders, "folder", "folders"))"
        case .making: "being made by the daemon: \(view.series) of \(view.totalSeries) series"
        case .dropped:
            "not shown any more; its paths come back when it is put into pacsfs.toml again"
        }
    }
}

struct ViewTry: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "try",
        abstract: "Show which paths images would have in a view with this template.",
        discussion: """
            Nothing is changed. WHAT is a file, a path in the mount, a UID or a SHA-256; without \
            any, the latest series are shown. A folder gets a suffix when another series has the \
            same path.

            Example:
              pacsfs views try "{ResponsiblePerson}/{StudyDate:yyyy}/{Series}" hip.dcm
            """)

    @Argument(help: "Levels of text and DICOM keywords in braces.")
    var template: String

    @Argument(help: ArgumentHelp("Images: a path, UID or SHA-256 each.", valueName: "WHAT"))
    var images: [String] = []

    @OptionGroup var archive: ArchiveOption

    @Flag(name: .long, help: "Print JSON.")
    var json = false

    func run() throws {
        try reporting {
            let view: View
            do throws(TemplateError) {
                view = View(name: "try", template: try Template(template))
            } catch {
                Output.error(
                    ["\(error)"] + error.marked(in: template).components(separatedBy: "\n"))
                throw ExitStatus.failure.code
            }
            let path = try archive.existing
            let index = try TagIndex(readingFrom: ArchivePaths(path).index)
            defer { index.close() }
            let trials = try index.read { reader in
                images.isEmpty
                    ? try reader.latest(5).compactMap { try Self.trial(of: $0, in: view, reader) }
                    : try images.flatMap {
                        try Self.trials(of: $0, in: view, reader, archive: path)
                    }
            }
            if json { return try Output.json(ViewTryDocument(images: trials)) }
            if trials.isEmpty {
                Output.line(
                    "The template is good. The archive has no image to try it on; name a file.")
            }
            for trial in trials {
                let path = trial.path ?? "is left out: a field with ! has no value"
                Output.lines([trial.image, "    \(path)"])
            }
        }
    }

    private static func trials(
        of what: String, in view: View, _ reader: IndexReader, archive: String
    ) throws -> [ViewTryDocument.Image] {
        var status = stat()
        if lstat(what, &status) == 0,
            try ArchivedImages.shown(at: what, status, reader, archive: archive) == nil
        {
            // It need not be archived.
            let attributes = try header(of: what)
            return [.init(image: what, path: path(attributes, attributes, in: view))]
        }
        let instances = try ArchivedImages.named(what, reader, archive: archive)
        guard !instances.isEmpty else {
            throw CommandError(.notFound, ArchivedImages.absence(of: what, archive: archive))
        }
        return try instances.prefix(10).compactMap { try trial(of: $0, in: view, reader) }
    }

    private static func header(of path: String) throws -> AttributeSet {
        let file: Descriptor
        do throws(Errno) {
            file = try Descriptor(opening: path, O_RDONLY | O_NOCTTY | O_NONBLOCK)
        } catch {
            throw CommandError.unreadable(path, error)
        }
        var reader = HeaderReader()
        do {
            return AttributeSet(try reader.read(FileDescriptorSource(descriptor: file.number)))
        } catch {
            throw CommandError(
                .wrongArgument, "\(path) is not a DICOM image: \(error)",
                remedy: "Name an image, or try the template without one.")
        }
    }

    private static func trial(of instance: Int64, in view: View, _ reader: IndexReader) throws
        -> ViewTryDocument.Image?
    {
        guard let image = try reader.details(instance) else { return nil }
        let series = try reader.firstAttributes(ofSeriesOf: instance) ?? image.attributes
        return .init(
            image: image.paths.first?.joined(separator: "/") ?? Digest(bytes: image.sha256)?.hex
                ?? "",
            path: path(series, image.attributes, in: view))
    }

    /// - Parameter series: The attributes of its first image, which decide the folder.
    private static func path(_ series: AttributeSet, _ image: AttributeSet, in view: View)
        -> String?
    {
        if view.template.leavesOut(series) { return nil }
        let names = view.template.components(for: series) + [FileName.name(view.fileNaming, image)]
        return names.joined(separator: "/")
    }
}
