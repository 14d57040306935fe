import Foundation
import TestSupport
import Testing

/// What commands print with `--json`, next to what the manual page promises.
@Suite(
    "Documents of --json", .serialized,
    .enabled(if: PacsfsProgram.canMount, PacsfsProgram.cannotMount))
struct DocumentTests {
    /// A document of the manual page: the types of its fields, by their paths.
    private typealias Format = [String: String]

    /// Reads the section JSON of the manual page, as roff.
    private func formats(_ archive: MountedArchive) throws -> [String: Format] {
        let page = try archive.pacsfs("manual").output
        let plain = page.replacing("\\-", with: "-").replacing("\\(dq", with: "\"")
        let section = try #require(plain.firstMatch(of: #/(?s)\n\.SH JSON\n(.*?)\n\.SH /#)).1
        var formats: [String: Format] = [:]
        for part in section.split(separator: "\n.SS ").dropFirst() {
            let lines = part.split(separator: "\n")
            let command = String(try #require(lines.first).replacing(" --json", with: ""))
            let fields = part.matches(of: #/\n\.BR (\S+) " \((.*)\)"\n\S/#)
            formats[command] = Dictionary(
                uniqueKeysWithValues: fields.map { (String($0.1), String($0.2)) })
            #expect(!fields.isEmpty && fields.count == lines.count { $0 == ".TP" }, "\(command)")
        }
        return formats
    }

    /// The values in a document, by the paths of their fields. Keys of `attributes` are keywords of
    /// DICOM, and one field.
    private func values(_ value: Any, _ path: String, into all: inout [String: [Any]]) {
        switch value {
        case let object as [String: Any]:
            if !path.isEmpty { all[path, default: []].append(object) }
            for (key, value) in object {
                if path.hasSuffix("attributes") {
                    #expect(key.first?.isUppercase == true, "\(key) is not a keyword")
                    all[path + ".KEYWORD", default: []].append(value)
                } else {
                    values(value, path.isEmpty ? key : path + "." + key, into: &all)
                }
            }
        case let array as [Any]:
            all[path, default: []].append(array)
            for value in array { values(value, path + "[]", into: &all) }
        default: all[path, default: []].append(value)
        }
    }

    private func isOf(_ type: String, _ value: Any) -> Bool {
        type.replacing(" or ", with: " | ").split(separator: " | ").contains { type in
            switch type {
            case "null": return value is NSNull
            case "boolean": return (value as? NSNumber).map(Self.isBoolean) ?? false
            case "integer", "number":
                guard let number = value as? NSNumber, !Self.isBoolean(number) else { return false }
                return type == "number" || number.doubleValue.rounded() == number.doubleValue
            case "string": return value is String
            case "time":
                return (value as? String)?.wholeMatch(
                    of: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z/) != nil
            case "object": return value is [String: Any]
            default: return (value as? String).map { "\"\($0)\"" == type } ?? false
            }
        }
    }

    private static func isBoolean(_ number: NSNumber) -> Bool {
        String(cString: number.objCType) == "c"
    }

    /// Compares documents with their format, both ways.
    ///
    /// - Parameter empty: Arrays that are empty in all of them, so that their fields are not
    ///   printed.
    private func expect(
        _ documents: ProgramRun..., are command: String, _ formats: [String: Format],
        empty: String..., sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let format = try #require(formats[command], sourceLocation: sourceLocation)
        var found: [String: [Any]] = [:]
        for text in documents.flatMap(Self.objects) {
            let object = try #require(
                try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any],
                sourceLocation: sourceLocation)
            #expect(object["version"] as? Int == 1, sourceLocation: sourceLocation)
            values(object, "", into: &found)
        }
        for (path, values) in found where path != "version" {
            guard let type = format[path] else {
                // An object or an array is described by its fields.
                let isDescribed = format.keys.contains {
                    $0.hasPrefix(path + ".") || $0.hasPrefix(path + "[]")
                }
                #expect(
                    isDescribed && values.allSatisfy { $0 is [String: Any] || $0 is [Any] },
                    "\(command): \(path) is not in the manual page", sourceLocation: sourceLocation)
                continue
            }
            #expect(
                path.allSatisfy { $0.isLowercase || $0.isNumber || "_.[]KEYWORD".contains($0) },
                "\(path)", sourceLocation: sourceLocation)
            for value in values {
                #expect(
                    isOf(type, value), "\(command): \(path) is \(value), not \(type)",
                    sourceLocation: sourceLocation)
            }
        }
        let absent = Set(format.keys).subtracting(found.keys)
        #expect(
            absent.filter { path in !empty.contains { path.hasPrefix($0) } }.isEmpty,
            "\(command) does not print \(absent.sorted())", sourceLocation: sourceLocation)
        // What is said to be empty has to be.
        for path in empty {
            #expect(
                absent.contains { $0.hasPrefix(path) }, "\(command) prints \(path)",
                sourceLocation: sourceLocation)
        }
    }

    /// The objects that a command prints on lines of their own, or the one that it prints.
    private static func objects(_ run: ProgramRun) -> [String] {
        let lines = run.output.split(separator: "\n").filter { $0.hasPrefix("{\"") }
        return lines.isEmpty ? [run.output] : lines.map(String.init)
    }

    @Test("Documents of a healthy archive have the fields and types that the manual page lists")
    func healthy() throws {
        try MountedArchive.with { archive in
            let formats = try formats(archive)
            _ = try archive.writeSamples()
            try archive.mustShell(
                """
                echo text >samples/notes.txt
                image=$(find samples -name SLICE03.dcm)
                head -c -1000 "$image" >samples/short.dcm
                cp -r samples again; mkdir broken; ln -s nowhere broken/link
                { printf x; tail -c +2 "$image"; } >broken/preamble.dcm
                touch "$(printf 'broken/\\xff')"
                """)
            try expect(
                archive.pacsfs("import", "--json", "--verbose", "samples"),
                are: "pacsfs import --verbose", formats)
            try expect(
                archive.pacsfs("import", "--json", "again", "broken"), are: "pacsfs import",
                formats, empty: "truncated")
            try expect(archive.pacsfs("find", "--json", "rex"), are: "pacsfs find", formats)
            try expect(
                archive.pacsfs("find", "--json", "nobody"), are: "pacsfs find", formats,
                empty: "studies")
            try expect(
                archive.pacsfs("show", "--json", archive.mountpoint + "/by-uid"),
                are: "pacsfs show", formats)
            try expect(
                archive.pacsfs("show", "--json", "1.2.3"), are: "pacsfs show", formats,
                empty: "images")
            try expect(archive.pacsfs("views", "--json"), are: "pacsfs views", formats)
            try expect(
                archive.pacsfs("views", "try", "--json", "{ViewPosition!}/{SOPInstanceUID}"),
                are: "pacsfs views try", formats)
            try archive.configure {
                $0.replacing("settle = 1", with: "settle = 2").replacing(
                    "copies = 2", with: "copies = 3")
            }
            try expect(archive.pacsfs("reload", "--json"), are: "pacsfs reload", formats)
            try archive.unmount()
            try expect(
                archive.pacsfs("reload", "--json"), are: "pacsfs reload", formats,
                empty: "changed", "waiting", "views")
            try archive.configure { $0.replacing("copies = 3", with: "copies = 2") }
            try archive.mustShell("\"$PACSFS\" offsite add nas '\(archive.folder.path("nas"))'")
            try expect(
                archive.pacsfs("rebuild", "--json"), are: "pacsfs rebuild", formats,
                empty: "left_out")
            try archive.mount()
            try expect(
                archive.pacsfs("status", "--json"), are: "pacsfs status", formats,
                empty: "copies.lost_images", "incoming.unpacking", "refusals", "removable",
                "restore.",
                "intake.silent")
            try expect(
                archive.pacsfs("offsite", "list", "--json"), are: "pacsfs offsite list", formats)
            let push = try archive.pacsfs("offsite", "push")
            #expect(push.code == 0, "\(push.report)")
            let drill = try archive.pacsfs("drill", "--json", "--full")
            #expect(drill.code == 0, "\(drill.report)")
            try archive.mustShell("rm -r ../nas/packs; echo x >../nas/strange")
            let failed = try archive.pacsfs("drill", "--json", "nas")
            #expect(failed.code == 1, "\(failed.report)")
            try expect(drill, failed, are: "pacsfs drill", formats, empty: "reports[].broken")
            try expect(
                archive.pacsfs("offsite", "check", "--json"), are: "pacsfs offsite check", formats)
        }
    }

    @Test("Documents of a damaged archive have the fields and types that the manual page lists")
    func damaged() throws {
        try MountedArchive.with(isMounted: false) { archive in
            let formats = try formats(archive)
            try archive.importSamples()
            let blobs = try archive.mustShell(
                "cd \(archive.volumes[0]); find blobs -name '*.dcm' | sort"
            ).lines
            for volume in archive.volumes {
                try archive.mustShell(
                    "echo x >\(volume)/blobs/note.txt; rm -f \(volume)/\(blobs[0])")
            }
            try archive.mustShell("rm -f \(archive.volumes[1])/\(blobs[1])")
            try expect(
                archive.pacsfs("verify", "--json"),
                archive.pacsfs("verify", "--json", "--head", String(repeating: "0", count: 64)),
                are: "pacsfs verify", formats)
            try expect(archive.pacsfs("scrub", "--json"), are: "pacsfs scrub", formats)
            try expect(
                archive.pacsfs("status", "--json"), are: "pacsfs status", formats,
                empty: "index_rebuilt.", "incoming.unpacking", "refusals", "remotes", "removable",
                "restore.", "intake.silent")
            try expect(
                archive.pacsfs("volume", "list", "--json"), are: "pacsfs volume list", formats,
                empty: "removable")
            try expect(archive.pacsfs("doctor", "--json"), are: "pacsfs doctor", formats)

            // The archive and a volume are lost, then the ledger as well.
            let lost = "\(archive.volumes[0])/\(blobs[2])"
            try archive.mustShell("rm -rf ../archive; mv ../volume2 ../lost; rm -f \(lost)")
            let restored = try archive.pacsfs(
                "init", "--json", "--archive", archive.archive, "--from", archive.volumes[0],
                "--copies", "1")
            try expect(restored, are: "pacsfs init --from", formats, empty: "examples")
            try expect(
                archive.pacsfs(
                    "restore", "--json", "--from", archive.volumes[0], "--archive", "again",
                    "--volume", "new", "--copies", "1"), are: "pacsfs restore", formats)
            try archive.mustShell(
                "rm -rf \(archive.volumes[0])/ledger/*; printf x >\(archive.volumes[0])/\(blobs[3])"
            )
            try expect(
                archive.pacsfs("rebuild", "--json", "--from-blobs"), are: "pacsfs rebuild", formats)
        }
    }
}
