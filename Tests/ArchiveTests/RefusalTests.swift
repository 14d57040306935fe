import TestSupport
import Archive
import Storage
import SyntheticStudy
import TemporaryArchive
import Testing

@Suite("Refusing and setting aside")
struct RefusalTests {
    private let temporary: TemporaryArchive

    init() throws { temporary = try TemporaryArchive() }

    /// A DICOMDIR: Media Storage Directory Storage as the SOP class.
    private var dicomdir: [UInt8] {
        var image = SyntheticImage(seed: 3)
        image.overrides = [SyntheticElement(0x0008_0016, "UI", "1.2.840.10008.1.3.10")]
        return image.write()
    }

    @Test("A DICOMDIR goes quietly, an image of that name does not")
    func directoryOfDisc() throws {
        let image = SyntheticImage(seed: 4).write()
        try temporary.open { archive in
            let result = try archive.ingest(
                dicomdir, from: "incoming/CD/dicomdir", in: temporary.folder)
            guard case .success(.ignored) = result else { Issue.record("\(result)"); return }
            #expect(!archive.settings.ignores(Array("DICOMDIR".utf8)))
            #expect(
                try archive.ingest(image, from: "incoming/CD/DICOMDIR", in: temporary.folder)
                    .archived != nil)
        }
        try temporary.expectBlobs([image])
    }

    @Test(
        """
        Text, nothing and a DICOMDIR, when that is wanted, are refused with a reason for a \
        person; nothing is stored
        """
    )
    func reasons() throws {
        try temporary.configure { $0.replacing(", \"DICOMDIR\"", with: "") }
        let cases: [(bytes: [UInt8], says: String)] = [
            (
                Array(
                    "Dear client, these are the images of Rex. Find them on this disc.".utf8),
                "DICOM"
            ),
            ([], "empty"), (dicomdir, "DICOMDIR"), ([UInt8](repeating: 0, count: 4096), "DICOM"),
            (Array(SyntheticImage(seed: 1).write().prefix(140)), "incomplete"),
        ]
        try temporary.open { archive in
            for (bytes, says) in cases {
                let reason = try #require(try archive.ingest(bytes, in: temporary.folder).refusal)
                #expect(reason.contains(says), "\(reason)")
                #expect(reason.count > 15, "\(reason)")
                #expect(reason.hasSuffix("."), "\(reason)")
            }
            #expect(try archive.index.read { try $0.totals().instances } == 0)
        }
        try temporary.expectBlobs([])
        #expect(try temporary.kinds() == ["volume": 2, "views": 1])
    }

    private func setAside(
        _ bytes: [UInt8], from source: String, as path: String, in archive: Archive
    ) throws {
        let file = try OpenFile(temporary.folder.write(bytes, to: "sources/reject"))
        try archive.reject(
            RejectRequest(
                file: file.ingestFile, source: .file(source, rejectedPath: path),
                reason: "It is a letter."))
    }

    private func aside(on volume: Int) throws -> [String] {
        try files(below: temporary.volumes[volume - 1] + "/rejected").map { name in
            // Without the day.
            name.split(separator: "/").dropFirst().joined(separator: "/")
        }
    }

    @Test(
        "What is set aside lies on both volumes with its reason beside it, recorded in the ledger")
    func bothVolumes() throws {
        try temporary.open {
            try setAside([1, 2], from: "incoming/cd/a.txt", as: "cd/a.txt", in: $0)
        }
        for volume in 1...2 {
            #expect(try aside(on: volume) == ["cd/a.txt", "cd/a.txt.reason.txt"])
            let folder = temporary.volumes[volume - 1] + "/rejected/"
            let names = try files(below: folder)
            #expect(try contents(of: folder + names[0]) == [1, 2])
            #expect(try contents(of: folder + names[1]) == Array("It is a letter.\n".utf8))
        }
        let record = try #require(try temporary.ledger().last?.entry)
        #expect(record.kind == "reject")
        #expect(record.body["from"]?.string == "incoming/cd/a.txt")
        #expect(record.body["reason"]?.string == "It is a letter.")
        let path = try #require(record.body["path"]?.string)
        #expect(try contents(of: temporary.volumes[0] + "/rejected/" + path) == [1, 2])
    }

    @Test("The same file from the same place is set aside once, other bytes or another place again")
    func once() throws {
        try temporary.open { archive in
            try setAside([1], from: "incoming/a", as: "a", in: archive)
            try setAside([1], from: "incoming/a", as: "a", in: archive)
            #expect(try archive.index.read { try $0.totals().rejected } == 1)
        }
        try temporary.open { archive in
            try setAside([1], from: "incoming/a", as: "a", in: archive)
            try setAside([2], from: "incoming/a", as: "a", in: archive)
            try setAside([1], from: "incoming/b", as: "b", in: archive)
            #expect(try archive.index.read { try $0.totals().rejected } == 3)
        }
        #expect(try temporary.kinds()["reject"] == 3)
        let kept = try files(below: temporary.volumes[0] + "/rejected").filter {
            !$0.hasSuffix(".reason.txt")
        }
        #expect(
            try kept.map { try contents(of: temporary.volumes[0] + "/rejected/" + $0) }.sorted {
                $0[0] < $1[0]
            } == [[1], [1], [2]])
    }

    @Test(
        "A path that is no portable one is made one, and stays below rejected",
        arguments: [
            "../../etc/passwd", "a:b?.txt", "..", "", "/", "a//b", "CON", ".hidden", "x\n.txt",
        ])
    func oddPaths(path: String) throws {
        try temporary.open { try setAside([9], from: "incoming/odd", as: path, in: $0) }
        for volume in temporary.volumes {
            let kept = try files(below: volume + "/rejected").filter {
                !$0.hasSuffix(".reason.txt")
            }
            #expect(try kept.map { try contents(of: volume + "/rejected/" + $0) } == [[9]])
        }
        #expect(try temporary.kinds()["reject"] == 1)
    }
}
