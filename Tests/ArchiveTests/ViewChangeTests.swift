import TestSupport
import Foundation
import JSON
import Naming
import Storage
import SyntheticStudy
import TagIndex
import TemporaryArchive
import Testing

@testable import Archive

extension TemporaryArchive {
    /// Writes these views to `pacsfs.toml`.
    func configure(views: [(String, String)]) throws {
        try configure { text in
            text.components(separatedBy: "[views]")[0] + "[views]\n"
                + views.map { "\"\($0.0)\" = \"\($0.1)\"\n" }.joined()
        }
    }
}

extension IndexReader {
    /// All that a view shows: the number of each directory, and of each image as a negative one,
    /// by path. Empty when it is not shown.
    func contents(of view: String) throws -> [String: Int64] {
        var contents: [String: Int64] = [:]
        func add(_ node: Node, _ path: String) throws {
            contents[path] = node.id
            if let series = node.series {
                try images(inSeries: series, byUID: node.byUID, after: 0) {
                    contents["\(path)/\($0.name)"] = -$0.id; return true
                }
            }
            var children: [Node] = []
            try nodes(in: node.id, after: 0) {
                children.append($0); return true
            }
            for child in children { try add(child, "\(path)/\(child.name)") }
        }
        if let node = try node(in: 0, folded: PortableName.folded(view)), node.name == view {
            try add(node, view)
        }
        return contents
    }
}

@Suite("Change of views")
struct ViewChangeTests {
    private static let templates = [
        ("by-patient", "{PatientName} ({PatientID})/{StudyDate}/{Series}"),
        ("by-patient", "{PatientName}/{Series}"),
        ("By-Patient", "{PatientName}/{Series}"), ("flat", "{Modality}"), ("flat", "x"),
        ("chips", "{OtherPatientIDs.microchip!}/{Series}"),
        ("uid", "{StudyInstanceUID}/{SeriesInstanceUID}"),
        ("uid", "{SeriesInstanceUID}/all"),
    ]

    private func image(_ random: inout SeededRandom) -> [UInt8] {
        var image = SyntheticImage(seed: random.next() % 4)
        image.overrides = [
            SyntheticElement(
                0x0010_0010, "PN", ["Smith^Rex", "smith^rex", "Jones^Ivy"][random.below(3)]),
            SyntheticElement(0x0020_000E, "UI", "1.2.826.0.1.\(random.below(9))"),
            SyntheticElement(0x0020_0013, "IS", "\(random.below(3))"),
        ]
        if random.below(2) == 0 { image.omitted = [0x0010_1002] }
        image.picture = .thorax(rows: 8, columns: 8, seed: random.next() % 5)
        return image.write()
    }

    /// What each view has shown when it was looked at last.
    private final class Memory {
        var shown: [String: [String: Int64]] = [:]
        var images: Set<Int64> = []

        /// Nothing that a view showed has gone or is another file, and every image is in it once.
        func compare(with archive: Archive) throws {
            let views = try archive.index.read { try $0.views() }
            for view in views {
                let key = "\(view.name) \(view.template)"
                let now = try archive.index.read { try $0.contents(of: view.name) }
                for (path, number) in shown[key, default: [:]] {
                    try #require(now[path] == number, "\(path) of \(key)")
                }
                shown[key] = now
                let files = now.values.filter { $0 < 0 }.map { -$0 }
                #expect(Set(files).count == files.count)
                let expected = try images.filter { id in
                    let (paths, links, series) = try archive.index.read { reader in
                        let links = try reader.image(id).map {
                            try archive.links(ofSeries: $0.series, reader)
                        }
                        return (
                            try reader.details(id)?.paths.count, links,
                            try reader.firstAttributes(ofSeriesOf: id)
                        )
                    }
                    #expect(paths == links)
                    return try !view.template.leavesOut(#require(series))
                }
                try #require(Set(files) == expected, "\(key)")
            }
            var names: [String] = []
            try archive.index.read {
                try $0.nodes(in: 0, after: 0) {
                    names.append($0.name); return true
                }
            }
            #expect(names.sorted() == views.map(\.name).sorted())
        }
    }

    @Test(
        """
        Whatever is added, dropped and brought back, paths and numbers stay, also after a crash \
        and a rebuild
        """,
        arguments: UInt64(1)...4)
    func histories(seed: UInt64) throws {
        let temporary = try TemporaryArchive()
        var random = SeededRandom(seed: seed, 0x7669_6577)
        let memory = Memory()
        var behind: [UInt8]?
        for round in 0..<6 {
            try temporary.open { archive in
                for _ in 0..<6 {
                    switch random.below(6) {
                    case 0...2:
                        if let id = try archive.ingest(image(&random), in: temporary.folder)
                            .archived
                        {
                            memory.images.insert(id)
                        }
                    case 3:
                        var views: [(String, String)] = []
                        for view in Self.templates
                        where random.below(2) == 0
                            && !views.contains(where: { $0.0.lowercased() == view.0.lowercased() })
                        {
                            views.insert(view, at: random.below(views.count + 1))
                        }
                        if views.allSatisfy({ $0.0 == "chips" }) { views.append(Self.templates[0]) }
                        try temporary.configure(views: views)
                        _ = try archive.reload()
                    case 4: try archive.makeViews()
                    default:
                        _ = try archive.catalogue.makeStep(
                            to: archive.wantedViews, atMost: 1 + random.below(3))
                    }
                    if random.below(3) == 0 { try memory.compare(with: archive) }
                }
                try memory.compare(with: archive)
                if round == 5 {
                    try archive.makeViews()
                    #expect(try archive.index.read { try $0.views() } == archive.settings.views)
                    try memory.compare(with: archive)
                }
            }
            // The index of an earlier run, none, or that of this one.
            let before = try temporary.index.dump()
            switch random.below(4) {
            case 0: behind = try contents(of: temporary.path + "/index.sqlite")
            case 1: _ = try Archive.rebuild(at: temporary.path, log: temporary.log.logger) { _ in }
            case 2: temporary.removeIndex()
            default:
                guard let old = behind else { break }
                temporary.removeIndex()
                try Data(old).write(to: URL(fileURLWithPath: temporary.path + "/index.sqlite"))
            }
            try temporary.open { _ in }
            try #require(try temporary.index.dump() == before, "round \(round)")
        }
        #expect(memory.images.count > 5 && memory.shown.count > 4)
    }

    @Test("A view is made some series at a time, and is shown when it has all of them")
    func steps() throws {
        let temporary = try TemporaryArchive(volumes: 1, copies: 1)
        try temporary.archive((1...5).map { series(seed: UInt64($0), images: 1)[0] })
        try temporary.configure { $0.replacing("by-id = ", with: "by-number = ") }
        try temporary.open { archive in
            let making = {
                try archive.index.read { try ViewStatus.list($0, wanted: archive.wantedViews) }
                    .first { $0.state == .making }
            }
            #expect(
                try making()
                    == ViewStatus(
                        name: "by-number", template: "{PatientID}/{StudyDate}/{Series}",
                        state: .making, folders: 0, series: 0, totalSeries: 5))
            for done in [Int64(2), 4] {
                _ = try archive.catalogue.makeStep(to: archive.wantedViews, atMost: 2)
                #expect(try making()?.series == done)
                #expect(try archive.index.read { try $0.contents(of: "by-number") }.isEmpty)
                #expect(try !archive.index.read { try $0.contents(of: "by-id") }.isEmpty)
                let status = try archive.status(pending: 0, readMode: nil, mountpoint: nil)
                #expect(
                    status.views.first { $0.state == .making }?.series == done
                        && status.health.reasons.count == 1
                        && status.health.headline.contains("5 images are stored once"))
            }
            // One that comes meanwhile is in the new view as well.
            let late = try #require(
                try archive.ingest(series(seed: 9, images: 1)[0], in: temporary.folder).archived)
            try archive.makeViews()
            #expect(try making() == nil)
            #expect(try archive.index.read { try $0.contents(of: "by-id") }.isEmpty)
            #expect(
                try archive.index.read { try $0.contents(of: "by-number") }.values.contains(-late))
            let dropped = try archive.status(pending: 0, readMode: nil, mountpoint: nil).views
                .filter { $0.state == .dropped }
            #expect(dropped.map(\.name) == ["by-id"])
        }
        let records = try temporary.ledger().map(\.entry.kind)
        #expect(records.count { $0 == "paths" } == 3 && records.count { $0 == "views" } == 2)
        #expect(records.last == "views")
    }

    @Test("A mistake in pacsfs.toml changes nothing, and is told until it is corrected")
    func mistake() throws {
        let temporary = try TemporaryArchive()
        try temporary.archive(series())
        try temporary.open { archive in
            let before = try temporary.index.dump()
            let good = try String(contentsOfFile: temporary.path + "/pacsfs.toml", encoding: .utf8)
            try temporary.configure {
                $0.replacing("settle = 10", with: "settle = 3").replacing(
                    "{PatientID}", with: "{PatienID}")
            }
            let error = try #require(throws: ArchiveError.self) { try archive.reload() }
            #expect(
                error.code == .configuration
                    && error.description.contains(
                        "pacsfs.toml:\(error.place?.description ?? "?"): ")
                    && error.description.contains("did you mean PatientID?"))
            #expect(archive.settings.settle == 10)
            try archive.makeViews()
            let status = try archive.status(pending: 0, readMode: nil, mountpoint: nil)
            #expect(
                status.configurationProblem == error.description
                    && status.health.level == .attention)
            #expect(status.health.headline.contains("pacsfs reload"))
            #expect(try temporary.index.dump() == before)
            try good.replacing("settle = 10", with: "settle = 3").write(
                toFile: temporary.path + "/pacsfs.toml", atomically: true, encoding: .utf8)
            let summary = try archive.reload()
            #expect((summary.changed, summary.waiting) == (["settle"], []))
            #expect(archive.settings.settle == 3)
            #expect(
                try archive.status(pending: 0, readMode: nil, mountpoint: nil)
                    .health.isWellOnOneDisk
            )
        }
    }

    @Test("What can be taken over at once is, and what needs a restart is told and waits for it")
    func live() throws {
        let temporary = try TemporaryArchive(volumes: 3)
        try temporary.open { archive in
            #expect(try archive.reload().changed == [])
            try temporary.configure { text in
                text.replacing("ignore = [", with: "ignore = [\"*.log\", ").replacing(
                    "days = 30", with: "days = 0"
                )
                .replacing("copies = 2", with: "copies = 3").replacing(
                    "domain = ", with: "domain = \"x\" # ")
            }
            let summary = try archive.reload()
            #expect(summary.changed == ["ignore", "scrub", "drill"])
            #expect(summary.waiting == ["copies", "volume"])
            #expect(archive.settings.ignored.first == "*.log" && archive.settings.scrubDays == 0)
            #expect(archive.settings.copies == 2)
        }
        try temporary.open { #expect($0.settings.copies == 3) }
    }

    @Test("Volumes that are not those in use are looked at, and what is wrong with them is told")
    func volumes() throws {
        let temporary = try TemporaryArchive(volumes: 3)
        let other = try TemporaryArchive()
        let (one, two, three) = (temporary.volumes[0], temporary.volumes[1], temporary.volumes[2])
        func line(_ path: String) -> String { "path = \"\(path)\"" }
        let good = try String(contentsOfFile: temporary.path + "/pacsfs.toml", encoding: .utf8)
        func notes(_ archive: Archive, _ path: String, instead: String? = nil) throws -> [String] {
            try temporary.configure { _ in good.replacing(line(instead ?? three), with: line(path))
            }
            let summary = try archive.reload(keptOutside: "/mnt/images")
            #expect(summary.waiting == ["volume"])
            #expect(
                summary.notes.last?.contains("\(instead ?? three) is not in pacsfs.toml any more")
                    == true || path == two)
            return summary.notes
        }
        try temporary.open { archive in
            #expect(try archive.reload().notes == [])
            let missing = try notes(archive, "/no/such/disk")
            #expect(
                missing.count == 2 && missing[0].hasPrefix("/no/such/disk cannot be used"),
                "\(missing)")
            #expect(
                missing[0].contains("is not there")
                    && missing[0].hasSuffix("pacsfs volume add /no/such/disk"))
            #expect(try notes(archive, other.volumes[0])[0].contains("belongs to archive"))
            #expect(
                try notes(archive, "/mnt/images/incoming/x")[0].contains(
                    "lies in the mount /mnt/images"))
            #expect(
                try notes(archive, two).contains { $0.hasPrefix("\(three) is not in pacsfs.toml") })
            try FileManager.default.copyItem(atPath: one, toPath: temporary.folder.path("twin"))
            #expect(
                try notes(archive, temporary.folder.path("twin"))[0].contains("or a copy of it"))
            try FileManager.default.moveItem(atPath: three, toPath: temporary.folder.path("moved"))
            let moved = temporary.folder.path("moved")
            try temporary.configure { _ in good.replacing(line(three), with: line(moved)) }
            #expect(
                try archive.reload().notes == [
                    """
                    \(moved) is volume 3 of this archive, and is used there after a restart of \
                    the daemon.
                    """
                ])
            try temporary.configure { _ in good.replacing("copies = 2", with: "copies = 4") }
            #expect(
                try archive.reload().notes.last?.contains(
                    "\"copies\" is 4, and pacsfs.toml names 3 volumes.") == true)
        }
        // Without a daemon the same is found.
        let settings = try Settings(file: temporary.path + "/pacsfs.toml")
        let found = try Archive.notes(onVolumesOf: settings, of: temporary.path)
        #expect(found.count == 2 && found[0].hasPrefix("\(three) cannot be used"), "\(found)")
    }

    @Test(
        """
        An archive whose file names no views keeps those it shows; a volume that was added needs \
        no restart
        """
    )
    func noTable() throws {
        let temporary = try TemporaryArchive()
        try temporary.configure(views: [("only", "{PatientID}")])
        try temporary.archive(series())
        try temporary.configure { $0.components(separatedBy: "[views]")[0] }
        try temporary.open { archive in
            _ = try archive.addVolume(at: temporary.folder.path("volume3"), domain: nil)
            #expect(try archive.reload().waiting == [])
            try archive.makeViews()
            #expect(try archive.index.read { try $0.views() }.map(\.name) == ["only"])
        }
    }

    @Test("A record of paths that lacks something is damage, and verify says so")
    func incomplete() throws {
        let temporary = try TemporaryArchive()
        try temporary.archive(series())
        let volumes = try [1, 2].map { try temporary.volume($0) }
        let (ledger, _) = try Ledger.open(on: volumes, archive: volumes[0].identity.archive)
        let body: JSONObject = ["view": "x", "template": "{PatientID", "through": 1, "paths": []]
        _ = try ledger.append([LedgerEntry(kind: "paths", by: "test", time: .now(), body: body)])
        let report = try #require(try Verification(archive: temporary.path).run())
        #expect(
            report.findings.contains { $0.severity == .fault && $0.reason.contains("\"template\"") }
        )
        #expect(throws: ArchiveError.self) {
            try Archive.rebuild(at: temporary.path, log: temporary.log.logger) { _ in }
        }
    }
}
