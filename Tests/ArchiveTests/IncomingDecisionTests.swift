import Foundation
import Glibc
import Storage
import System
import SyntheticStudy
import TemporaryArchive
import TestSupport
import Testing

@testable import Archive

@Suite("What becomes of a file of incoming")
struct IncomingDecisionTests {
    private static let empty = IncomingDecision.setAside(IncomingDecision.empty)
    private static let interrupted = IncomingDecision.setAside(IncomingDecision.interrupted)
    private static let abandoned = IncomingDecision.setAside(IncomingDecision.abandoned)

    private static func facts(
        _ name: String, _ ending: IncomingFacts.Ending, bytes: Int64 = 100,
        _ change: (inout IncomingFacts) -> Void = { _ in }
    ) throws -> IncomingFacts {
        let settings = Settings()
        var facts = IncomingFacts(
            path: Array(name.utf8), settings: settings, bytes: bytes, ending: ending)
        change(&facts)
        return facts
    }

    struct Row: Sendable, CustomStringConvertible {
        var name: String
        var ending: IncomingFacts.Ending
        var bytes: Int64 = 100
        var isForced = false
        var isZip = false
        var isIndexed = false
        var isImage = false
        var decision: IncomingDecision

        var description: String { "\(name), \(ending), \(bytes) bytes: \(decision)" }
    }

    private static let table: [Row] = [
        Row(name: "a/IM1.dcm", ending: .open, decision: .wait),
        Row(name: "a/IM1.dcm", ending: .closed, decision: .archive),
        Row(name: "a/IM1.dcm", ending: .interrupted, decision: interrupted),
        Row(name: "a/IM1.dcm", ending: .incomplete("half"), decision: .setAside("half")),
        Row(name: "a/IM1.dcm", ending: .abandoned, decision: abandoned),
        Row(name: "IM1.dcm", ending: .closed, bytes: 0, decision: empty),
        Row(name: "IM1.dcm", ending: .interrupted, bytes: 0, decision: empty),
        Row(name: "IM1.dcm", ending: .open, bytes: 0, decision: .wait),
        // What a person, a checksum or the catalogue vouches for.
        Row(name: "x", ending: .interrupted, isForced: true, decision: .archive),
        Row(name: "x", ending: .interrupted, isZip: true, decision: .archive),
        Row(name: "x", ending: .interrupted, isIndexed: true, decision: .archive),
        Row(name: "x", ending: .open, isZip: true, decision: .wait),
        Row(name: "x", ending: .incomplete("half"), isZip: true, decision: .setAside("half")),
        Row(name: "x", ending: .closed, bytes: 0, isForced: true, decision: empty),
        // Temporary names wait, whatever they hold.
        Row(name: "IM1.dcm.part", ending: .closed, decision: .wait),
        Row(name: "IM1.dcm.part", ending: .interrupted, bytes: 0, decision: .wait),
        Row(name: "IM1.dcm.part", ending: .incomplete("half"), decision: .wait),
        Row(name: "IM1.dcm.part", ending: .closed, isForced: true, decision: .wait),
        Row(name: "IM1.dcm.part", ending: .abandoned, decision: abandoned),
        // Names on the list `ignore`; what is an image is one whatever it is called.
        Row(name: "a/Thumbs.db", ending: .closed, isImage: true, decision: .archive),
        Row(name: "._IM1.dcm", ending: .interrupted, isImage: true, decision: interrupted),
        Row(name: "a/Thumbs.db", ending: .closed, decision: .discard),
        Row(name: "._IM1.part", ending: .interrupted, decision: .discard),
        Row(name: "Thumbs.db", ending: .abandoned, bytes: 0, decision: .discard),
    ]

    @Test("The first line of the table that applies decides", arguments: table)
    func decides(row: Row) throws {
        let facts = try Self.facts(row.name, row.ending, bytes: row.bytes) { facts in
            facts.isForced = row.isForced
            facts.isZip = row.isZip
            facts.isIndexed = row.isIndexed
            facts.isImage = row.isImage
        }
        #expect(IncomingDecision(facts) == row.decision)
    }

    @Test("Of a file that was interrupted, an error in its header says more")
    func refined() throws {
        let folder = try TemporaryFolder()
        let settings = Settings()
        func refined(_ bytes: [UInt8]) throws -> IncomingDecision {
            let file = open(try folder.write(bytes, to: "file"), O_RDONLY)
            defer { close(file) }
            return Self.interrupted.refined(by: file, settings)
        }
        #expect(try refined(series(images: 1)[0]) == Self.interrupted)
        guard case .setAside(let reason) = try refined(Array("Dear client".utf8)) else {
            Issue.record("It is not set aside.")
            return
        }
        #expect(reason.contains("DICOM"))
    }

    @Test("Sources say where a file is set aside")
    func sources() {
        let zip = IngestSource.incoming("CD/x.zip")
        #expect("\(zip)" == "incoming/CD/x.zip")
        let member = IngestSource.member("a/b.dcm", of: zip)
        #expect("\(member)" == "incoming/CD/x.zip/a/b.dcm")
        #expect(member.rejectedPath == "CD/x.zip/a/b.dcm")
        let file = IngestSource.file("/media/cd/x", rejectedPath: "cd/x")
        #expect("\(file)" == "/media/cd/x")
        #expect(IngestSource.member("y", of: file).rejectedPath == "cd/x/y")
    }

    @Test("Folders nested far beyond the longest path are walked, and removed")
    func deepFolders() throws {
        let folder = try TemporaryFolder()
        let top = try SharedDescriptor(
            at: AT_FDCWD, Array(folder.path("").utf8), flags: O_RDONLY | O_DIRECTORY)
        var current = top
        let depth = 6_000
        for _ in 1...depth {
            try #require(mkdirat(current.number, "d", 0o755) == 0)
            current = try SharedDescriptor(
                at: current.number, Array("d".utf8), flags: O_RDONLY | O_DIRECTORY)
        }
        close(openat(current.number, "file", O_WRONLY | O_CREAT, 0o644))
        var found: [Int] = []
        try FolderWalk.files(below: top.number) { found.append($0.path.count) }
        #expect(found == [2 * depth + 4])
        // The file keeps all of them.
        try FolderWalk.removeEmptyFolders(below: top.number)
        #expect(faccessat(top.number, "d", F_OK, 0) == 0)
        unlinkat(current.number, "file", 0)
        try FolderWalk.removeEmptyFolders(below: top.number)
        #expect(faccessat(top.number, "d", F_OK, 0) != 0)
    }
}
