import ArgumentParser
import Archive
import DICOM
import Foundation
import FuseServer
import Naming
import Storage
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
        commandName: "list", abstract: "The views, and how far those are that are being made.",
        discussion: """
            Example:
              pacsfs views list
            """)

    @OptionGroup var archive: ArchiveOption

    @Flag(name: .long, help: "Print JSON.")
    var json = false

    func run() throws {
        try reporting {
            let path = try archive.existing
            let index = try TagIndex(readingFrom: path + "/index.sqlite")
            defer { index.close() }
            let settings = try Settings(file: path + "/pacsfs.toml")
            let views = try index.read { reader in
                try ViewStatus.list(
                    reader, wanted: settings.namesViews ? settings.views : reader.views())
            }
            if json { try Output.json(views) } else { print(Self.text(views)) }
        }
    }

    private static func text(_ views: [ViewStatus]) -> String {
        let width = views.map(\.name.count).max() ?? 0
        return views.map { view in
            let name = view.name.padding(toLength: width, withPad: " ", startingAt: 0)
            let blank = String(repeating: " ", count: width)
            return "\(name)  \(view.template)\n\(blank)  \(state(of: view))"
        }.joined(separator: "\n")
    }

    private static func state(of view: ViewStatus) -> String {
        switch view.state {
        case .shown: "shown, \(Output.count(view.folders, "folder", "folders"))"
        case .making: "is made by the daemon: \(view.series) of \(view.totalSeries) series"
        case .dropped:
            "not shown any more; its paths come back when it is put into pacsfs.toml again"
        }
    }
}

struct ViewTry: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "try",
        abstract: "Tell which paths images would have in a view with this template.",
        discussion: """
            Nothing is changed. WHAT is a file, a path in the mount, a UID or a SHA-256; without any, \
            the series that came last are shown. A folder gets a suffix when another series has the \
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

    private struct Place: Encodable {
        var image: String
        /// `null` when the view leaves it out.
        var path: String?

        enum CodingKeys: CodingKey { case image, path }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(image, forKey: .image)
            try container.encode(path, forKey: .path)
        }
    }

    func run() throws {
        try reporting {
            let view: View
            do throws(TemplateError) {
                view = View(name: "try", template: try Template(template))
            } catch {
                Output.error("\(error)\n\(error.marked(in: template))")
                throw ExitStatus.failure.code
            }
            let path = try archive.existing
            let index = try TagIndex(readingFrom: path + "/index.sqlite")
            defer { index.close() }
            let places = try index.read { reader in
                images.isEmpty
                    ? try reader.latest(5).compactMap { try Self.place(of: $0, in: view, reader) }
                    : try images.flatMap {
                        try Self.places(of: $0, in: view, reader, archive: path)
                    }
            }
            if json { return try Output.json(places) }
            if places.isEmpty {
                print(
                    "The template is good. There is no image in the archive to try it on; name a file."
                )
            }
            for place in places {
                print(place.image)
                print("    \(place.path ?? "is left out: a field with ! has no value")")
            }
        }
    }

    private static func places(
        of what: String, in view: View, _ reader: IndexReader, archive: String
    ) throws -> [Place] {
        var status = stat()
        if lstat(what, &status) == 0,
            try ArchivedImages.shown(at: what, status, reader, archive: archive) == nil
        {
            // It need not be archived.
            let attributes = try header(of: what)
            return [Place(image: what, path: path(attributes, attributes, in: view))]
        }
        let instances = try ArchivedImages.named(what, reader, archive: archive)
        guard !instances.isEmpty else {
            throw ArchiveError(.notFound, "«\(what)» is neither a file nor in the archive.")
        }
        return try instances.prefix(10).compactMap { try place(of: $0, in: view, reader) }
    }

    private static func header(of path: String) throws -> AttributeSet {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw ArchiveError(
                .notFound, "\(path) cannot be read: \(String(cString: strerror(errno))).")
        }
        defer { close(descriptor) }
        var reader = HeaderReader()
        do {
            return AttributeSet(try reader.read(FileDescriptorSource(descriptor: descriptor)))
        } catch {
            throw ArchiveError(.notFound, "\(path) is no image: \(error)")
        }
    }

    private static func place(of instance: Int64, in view: View, _ reader: IndexReader) throws
        -> Place?
    {
        guard let image = try reader.details(instance) else { return nil }
        let series = try reader.firstAttributes(ofSeriesOf: instance) ?? image.attributes
        return Place(
            image: image.paths.first?.joined(separator: "/") ?? Digest(bytes: image.sha256)?.hex
                ?? "",
            path: path(series, image.attributes, in: view))
    }

    /// - parameter series: the attributes of the first image of the series, which decide its folder
    private static func path(_ series: AttributeSet, _ image: AttributeSet, in view: View)
        -> String?
    {
        if view.template.leavesOut(series) { return nil }
        let names = view.template.components(for: series) + [FileName.name(view.fileNaming, image)]
        return names.joined(separator: "/")
    }
}
