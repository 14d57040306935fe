import ArgumentParser
import Archive
import DICOM
import Foundation
import FuseServer
import Storage
import TagIndex

struct Show: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Tell everything about an image.",
        discussion: """
            WHAT is a path in the mount, a UID (of an image, series or study), a SHA-256, or any \
            other file: then it tells whether that file is archived.

            Example:
              pacsfs show "/mnt/images/by-id/1234/2024-05-01/001 DX Hip/00001.dcm"
            """)

    @Argument(help: ArgumentHelp("A path, UID or SHA-256.", valueName: "WHAT"))
    var what: String

    @OptionGroup var archive: ArchiveOption

    @Flag(name: .long, help: "Print JSON: an object for one image, an array for several.")
    var json = false

    private struct Copy: Encodable {
        var volume: Int
        var verified: String
    }

    private struct Details: Encodable {
        var sha256: String
        var bytes: Int64
        var received: String
        var source: String
        var flags: [String]
        var attributes: [String: String]
        var copies: [Copy]
        var paths: [String]
        /// SHA-256 of the earlier images, one of which has the same data set as this.
        var sameDataSetAs: [String]?
    }

    func run() throws {
        try reporting {
            let path = try archive.existing
            let index = try TagIndex(readingFrom: path + "/index.sqlite")
            let instances = try index.read { try ArchivedImages.named(what, $0, archive: path) }
            guard !instances.isEmpty else {
                if json {
                    try Output.json([String]())
                } else {
                    print(ArchivedImages.absence(of: what, archive: path))
                }
                throw ExitStatus.notFound.code
            }
            let root = Paths.mountpoint(of: path)
            let shown = json ? instances[...] : instances.prefix(10)
            let details: [Details] = try index.read { (reader: IndexReader) -> [Details] in
                try shown.compactMap { id in
                    guard let image = try reader.details(id) else { return nil }
                    var details = Self.details(image, root: root)
                    if details.flags.contains("sameDataSet") {
                        details.sameDataSetAs = try Self.earlier(than: image, reader)
                    }
                    return details
                }
            }
            if json {
                if details.count == 1 {
                    try Output.json(details[0])
                } else {
                    try Output.json(details)
                }
            } else {
                print(details.map(Self.text).joined(separator: "\n\n"))
                if instances.count > shown.count {
                    print(
                        "\n… and \(instances.count - shown.count) more images; --json lists them all."
                    )
                }
            }
        }
    }

    /// Those of the same SOPInstanceUID that are no repetition themselves: mostly one.
    private static func earlier(than image: ImageDetails, _ reader: IndexReader) throws -> [String]
    {
        guard let uid = image.attributes[.sopInstanceUID] else { return [] }
        return try reader.instances(sopInstanceUID: uid).compactMap { id in
            guard id < image.id, let other = try reader.details(id),
                !HeaderFlags(rawValue: UInt16(truncatingIfNeeded: other.flags)).contains(
                    .sameDataSet)
            else { return nil }
            return Digest(bytes: other.sha256)?.hex
        }
    }

    private static func details(_ image: ImageDetails, root: String?) -> Details {
        Details(
            sha256: Digest(bytes: image.sha256)?.hex ?? "", bytes: image.bytes,
            received: Timestamp(nanoseconds: image.received).description, source: image.source,
            flags: HeaderFlags(rawValue: UInt16(truncatingIfNeeded: image.flags)).names,
            attributes: Dictionary(
                uniqueKeysWithValues: image.attributes.present.map { ($0.0.keyword, $0.1) }),
            copies: image.copies.map {
                Copy(volume: $0.volume, verified: Timestamp(nanoseconds: $0.verified).description)
            },
            paths: image.paths.map { ((root.map { [$0] } ?? []) + $0).joined(separator: "/") })
    }

    private static func text(_ details: Details) -> String {
        var lines = details.attributes.sorted { $0.key < $1.key }.map { key, value in
            "\(key.padding(toLength: 28, withPad: " ", startingAt: 0)) \(value)"
        }
        lines.append("")
        lines.append("SHA-256   \(details.sha256)")
        lines.append("Size      \(Output.bytes(details.bytes))")
        lines.append("Received  \(details.received) from \(details.source)")
        for copy in details.copies {
            lines.append("Copy      volume \(copy.volume), verified \(copy.verified)")
        }
        if let earlier = details.sameDataSetAs {
            lines.append(
                "Version   the file header differs, the data set is that of \(earlier.joined(separator: " or "))"
            )
        }
        let unusual = details.flags.filter { $0 != "sameDataSet" }
        if !unusual.isEmpty { lines.append("Unusual   \(unusual.joined(separator: ", "))") }
        for path in details.paths { lines.append("Path      \(path)") }
        return lines.joined(separator: "\n")
    }
}

extension HeaderFlags {
    /// What was unusual about the file, as words.
    var names: [String] {
        let all: [(HeaderFlags, String)] = [
            (.noPreamble, "noPreamble"), (.noFileMetaInformation, "noFileMetaInformation"),
            (.wrongTransferSyntax, "wrongTransferSyntax"),
            (.wrongCharacterSet, "wrongCharacterSet"),
            (.unusualPreamble, "unusualPreamble"), (.truncated, "truncated"),
            (.invalidValue, "invalidValue"), (.pixelDataTruncated, "pixelDataTruncated"),
            (.sameDataSet, "sameDataSet"),
        ]
        return all.filter { contains($0.0) }.map(\.1)
    }
}
