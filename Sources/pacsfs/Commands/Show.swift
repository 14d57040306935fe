import ArgumentParser
import Archive
import DICOM
import Foundation
import Storage
import TagIndex

struct Show: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show everything about an image.",
        discussion: """
            WHAT is a path in the mount, a UID (of an image, series or study), a SHA-256, or any \
            other file: then it shows whether that file is archived.

            Example:
              pacsfs show "/mnt/images/by-id/1234/2024-05-01/001 DX Hip/00001.dcm"
            """)

    @Argument(help: ArgumentHelp("A path, UID or SHA-256.", valueName: "WHAT"))
    var what: String

    @OptionGroup var archive: ArchiveOption

    @Flag(name: .long, help: "Print JSON.")
    var json = false

    func run() throws {
        try reporting {
            let path = try archive.existing
            let index = try TagIndex(readingFrom: ArchivePaths(path).index)
            let found = try index.read { try ArchivedImages.named(what, $0, archive: path) }
            guard !found.isEmpty else {
                if json {
                    try Output.json(ShowDocument(images: []))
                } else {
                    Output.line(ArchivedImages.absence(of: what, archive: path))
                }
                throw ExitStatus.notFound.code
            }
            let root = Paths.mountpoint(of: path)
            let shown = json ? found[...] : found.prefix(10)
            let images = try index.read { (reader: IndexReader) -> [ShowDocument.Image] in
                try shown.compactMap { try Self.image($0, reader, root: root) }
            }
            if json { return try Output.json(ShowDocument(images: images)) }
            Output.lines(Array(images.map(Self.lines).joined(separator: [""])))
            if found.count > shown.count {
                Output.lines([
                    "", "… and \(found.count - shown.count) more images; --json lists all.",
                ])
            }
        }
    }

    private static func image(_ id: Int64, _ reader: IndexReader, root: String?) throws
        -> ShowDocument.Image?
    {
        guard let image = try reader.details(id) else { return nil }
        let flags = ImageFlag.all(in: image.flags)
        return ShowDocument.Image(
            sha256: Digest(bytes: image.sha256)?.hex ?? "", bytes: image.bytes,
            received: Timestamp(nanoseconds: image.received), source: image.source, flags: flags,
            attributes: Dictionary(
                uniqueKeysWithValues: image.attributes.present.map { ($0.0.keyword, $0.1) }),
            copies: image.copies.map {
                .init(ordinal: $0.volume, verified: Timestamp(nanoseconds: $0.verified))
            },
            paths: image.paths.map { Paths.shown($0, in: root) },
            sameDataSetAs: flags.contains(.sameDataSet) ? try earlier(than: image, reader) : [])
    }

    /// Images of the same SOP Instance UID that came first with their data set: mostly one.
    private static func earlier(than image: ImageDetails, _ reader: IndexReader) throws -> [String]
    {
        guard let uid = image.attributes[.sopInstanceUID] else { return [] }
        return try reader.instances(sopInstanceUID: uid).compactMap { id in
            guard id < image.id, let other = try reader.details(id),
                !ImageFlag.all(in: other.flags).contains(.sameDataSet)
            else { return nil }
            return Digest(bytes: other.sha256)?.hex
        }
    }

    private static func lines(_ image: ShowDocument.Image) -> [String] {
        var lines = image.attributes.sorted { $0.key < $1.key }.map { key, value in
            "\(key.padding(toLength: 28, withPad: " ", startingAt: 0)) \(value)"
        }
        lines.append("")
        lines.append("SHA-256   \(image.sha256)")
        lines.append("Size      \(Output.bytes(image.bytes))")
        lines.append("Received  \(image.received) from \(image.source)")
        for copy in image.copies {
            lines.append("Copy      volume \(copy.ordinal), verified \(copy.verified)")
        }
        if !image.sameDataSetAs.isEmpty {
            lines.append(
                """
                Version   the file header differs, the data set is that of \
                \(image.sameDataSetAs.joined(separator: " or "))
                """
            )
        }
        let unusual = image.flags.filter { $0 != .sameDataSet }.map(\.rawValue)
        if !unusual.isEmpty { lines.append("Unusual   \(unusual.joined(separator: ", "))") }
        for path in image.paths { lines.append("Path      \(path)") }
        return lines
    }
}
