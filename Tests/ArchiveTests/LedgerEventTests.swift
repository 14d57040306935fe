import DICOM
import Foundation
import JSON
import Naming
import Storage
import TagIndex
import TemporaryArchive
import TestSupport
import Testing

@testable import Archive

/// One event of each kind and operation, and the line it is written as.
private struct Golden: CustomTestStringConvertible, Sendable {
    var event: LedgerEvent
    /// From `"kind"` on.
    var text: String

    var testDescription: String { String(text.prefix(40)) }

    static let time = Timestamp(nanoseconds: 1_795_313_152_123_456_789)
    private static let one = Digest.of(Array("abc".utf8))
    private static let two = Digest(
        hex: "cb8379ac2098aa165029e3938a51da0bcecfc008fd6795f401178647f96c5b34")!
    private static let three = Digest(
        hex: "fb8e20fc2e4c3f248c60c39bd652f3c1347298bb977b8b4d5903b85055620603")!

    private static let patient: [Attribute: String] = [
        .sopInstanceUID: "1.2.3.4.1", .patientName: "Smith^Rex", .patientID: "1001",
        .studyInstanceUID: "1.2.3", .seriesInstanceUID: "1.2.3.4", .instanceNumber: "1",
    ]

    private static func attributes(_ values: [Attribute: String?]) -> AttributeSet {
        var set = AttributeSet()
        for (attribute, value) in values { set[attribute] = value }
        return set
    }

    private static func view(_ name: String, _ template: String) -> View {
        View(name: name, template: try! Template(template))
    }

    private static func image(
        _ digest: Digest, bytes: Int64, name: String, uidName: String, flags: Int64 = 0,
        from source: String, on volumes: [Int], _ difference: [Attribute: String?] = [:],
        same: Digest? = nil
    ) -> LedgerEvent {
        .ingest(
            IngestEvent(
                InstanceRecord(
                    id: 0, series: 1, sha256: digest.bytes, bytes: bytes,
                    received: time.nanoseconds, name: name, uidName: uidName, flags: flags,
                    source: source, volumes: volumes, difference: attributes(difference),
                    same: same?.bytes), uid: "1.2.3.4.1"))
    }

    private static let packName = "packs/fb/\(three.hex).tar"
    private static let pieceName = "ledger/6f1d9c1e/000001.jsonl"

    private static var pack: OffsiteEvent {
        var event = OffsiteEvent(packName, bytes: 1_053_184, on: "b2")
        event.serverName = "ip5k1q2v0r2m/8h4s"
        event.hash = "2aae6c35c94fcfb415dbe95f408b9ce91ee846ed"
        event.lockedUntil = Timestamp("2036-11-22T00:00:00.000000000Z")
        event.packed = [
            .init(digest: one, offset: 1536), .init(digest: two, offset: 526_336),
        ]
        return event
    }

    private static let packText =
        #""kind":"offsite","remote":"b2","object":"packs/fb/fb8e20fc2e4c3f248c60c39bd652f3c1347298bb977b8b4d5903b85055620603.tar","bytes":1053184,"as":"ip5k1q2v0r2m/8h4s","hash":"2aae6c35c94fcfb415dbe95f408b9ce91ee846ed","until":"2036-11-22T00:00:00.000000000Z","blobs":[["ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",1536],["cb8379ac2098aa165029e3938a51da0bcecfc008fd6795f401178647f96c5b34",526336]]}"#

    private static var piece: OffsiteEvent {
        var event = OffsiteEvent(pieceName, bytes: 16_777_301, on: "b2")
        event.through = 48_213
        return event
    }

    private static let pieceText =
        #""kind":"offsite","remote":"b2","object":"ledger/6f1d9c1e/000001.jsonl","bytes":16777301,"through":48213}"#

    private static var check: OffsiteCheckEvent {
        var event = OffsiteCheckEvent("b2", objects: 5120, good: 5118)
        event.faults = [.init(object: packName, fault: .missing)]
        (event.rolledBack, event.part) = (1, 2)
        return event
    }

    static let all: [Golden] = [
        Golden(
            event: .volume(
                .add(
                    1, id: "0b9e7a44-51c2-4f8e-8b1a-6d2c9e4f7a10", domain: "server-room",
                    created: "2026-11-22T02:05:50.000000000Z")),
            text:
                #""kind":"volume","op":"add","volume":1,"id":"0b9e7a44-51c2-4f8e-8b1a-6d2c9e4f7a10","domain":"server-room","created":"2026-11-22T02:05:50.000000000Z"}"#
        ),
        Golden(event: .retire(2), text: #""kind":"volume","op":"retire","volume":2}"#),
        Golden(event: .retired(2), text: #""kind":"volume","op":"retired","volume":2}"#),
        Golden(
            event: .replace(2, by: 3),
            text: #""kind":"volume","op":"replace","volume":2,"successor":3}"#),
        Golden(event: .failing(1), text: #""kind":"volume","op":"failing","volume":1}"#),
        Golden(event: .well(1), text: #""kind":"volume","op":"well","volume":1}"#),
        Golden(
            event: .views(
                ViewsEvent([
                    view("by-patient", "{PatientName} ({PatientID})/{StudyDate}/{Series}"),
                    view("by-uid", "{StudyInstanceUID}/{SeriesInstanceUID}"),
                ])),
            text:
                #""kind":"views","views":{"by-patient":"{PatientName} ({PatientID})/{StudyDate}/{Series}","by-uid":"{StudyInstanceUID}/{SeriesInstanceUID}"}}"#
        ),
        Golden(
            event: .series(
                SeriesRecord(
                    id: 1, created: time.nanoseconds, attributes: attributes(patient),
                    paths: [
                        ["by-patient", "Smith, Rex (1001)", "2024-03-14", "001 DX Hip"],
                        ["by-uid", "1.2.3", "1.2.3.4"],
                    ])),
            text:
                #""kind":"series","id":1,"paths":["by-patient/Smith, Rex (1001)/2024-03-14/001 DX Hip","by-uid/1.2.3/1.2.3.4"],"a":{"SOPInstanceUID":"1.2.3.4.1","PatientName":"Smith^Rex","PatientID":"1001","StudyInstanceUID":"1.2.3","SeriesInstanceUID":"1.2.3.4","InstanceNumber":"1"}}"#
        ),
        Golden(
            event: image(
                one, bytes: 524_288, name: "00001.dcm", uidName: "1.2.3.4.1.dcm",
                from: "incoming/Rex/IM1.dcm", on: [1, 2]),
            text:
                #""kind":"ingest","sha256":"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad","bytes":524288,"series":1,"name":"00001.dcm","uid":"1.2.3.4.1","on":[1,2],"from":"incoming/Rex/IM1.dcm"}"#
        ),
        Golden(
            event: image(
                two, bytes: 524_290, name: "00001 ~cb83.dcm", uidName: "1.2.3.4.1 ~cb83.dcm",
                flags: 256, from: "/cd/IM2", on: [1],
                [.bodyPartExamined: nil, .instanceNumber: "2"], same: one),
            text:
                #""kind":"ingest","sha256":"cb8379ac2098aa165029e3938a51da0bcecfc008fd6795f401178647f96c5b34","bytes":524290,"series":1,"name":"00001 ~cb83.dcm","uid":"1.2.3.4.1","uidname":"1.2.3.4.1 ~cb83.dcm","on":[1],"flags":256,"from":"/cd/IM2","same":"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad","a":{"BodyPartExamined":null,"InstanceNumber":"2"}}"#
        ),
        Golden(
            event: .duplicate(DuplicateEvent(one, from: "/cd/IM1", healed: [], verified: [])),
            text:
                #""kind":"duplicate","sha256":"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad","from":"/cd/IM1"}"#
        ),
        Golden(
            event: .duplicate(DuplicateEvent(one, from: "/cd/IM1", healed: [2], verified: [1])),
            text:
                #""kind":"duplicate","sha256":"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad","from":"/cd/IM1","healed":[2],"verified":[1]}"#
        ),
        Golden(
            event: .reject(
                RejectRecord(
                    sha256: three.bytes, bytes: 8, path: "2026-11-22/cd/notes.txt",
                    source: "incoming/cd/notes.txt", reason: "It is not a DICOM file.",
                    time: time.nanoseconds)),
            text:
                #""kind":"reject","sha256":"fb8e20fc2e4c3f248c60c39bd652f3c1347298bb977b8b4d5903b85055620603","bytes":8,"path":"2026-11-22/cd/notes.txt","from":"incoming/cd/notes.txt","reason":"It is not a DICOM file."}"#
        ),
        Golden(
            event: .paths(
                PathsRecord(
                    view: view("by-modality", "{Modality}/{Series}"), through: 2,
                    time: time.nanoseconds, paths: [(1, ["DX", "001 DX Hip"])])),
            text:
                #""kind":"paths","view":"by-modality","template":"{Modality}/{Series}","through":2,"paths":[[1,"DX/001 DX Hip"]]}"#
        ),
        Golden(
            event: .damage(one, on: 1, .altered),
            text:
                #""kind":"damage","sha256":"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad","volume":1,"problem":"altered"}"#
        ),
        Golden(
            event: .copies([one, two], on: 1),
            text:
                #""kind":"copies","volume":1,"sha256":["ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad","cb8379ac2098aa165029e3938a51da0bcecfc008fd6795f401178647f96c5b34"]}"#
        ),
        Golden(
            event: .scrub(on: 1, folder: 0x0b, files: 2, bytes: 1_048_578, bad: 0),
            text:
                #""kind":"scrub","volume":1,"folder":"0b","files":2,"bytes":1048578,"bad":0}"#
        ),
        Golden(
            event: .search(.keep("rex smith 2024")),
            text: #""kind":"search","op":"keep","words":"rex smith 2024"}"#),
        Golden(
            event: .search(.rename("rex smith 2024", to: "rex smith")),
            text: #""kind":"search","op":"rename","words":"rex smith 2024","to":"rex smith"}"#),
        Golden(
            event: .search(.forget("rex smith")),
            text: #""kind":"search","op":"forget","words":"rex smith"}"#),
        Golden(
            event: .remote(
                .add(
                    "b2", id: "4c3a9d0e-7a9f-4a86-9d0c-0d1a5be0f2c1", cipher: .rclone,
                    hash: "sha1")),
            text:
                #""kind":"remote","op":"add","remote":"b2","id":"4c3a9d0e-7a9f-4a86-9d0c-0d1a5be0f2c1","cipher":"rclone-crypt","hash":"sha1"}"#
        ),
        Golden(
            event: .remote(.forget("b2")), text: #""kind":"remote","op":"forget","remote":"b2"}"#),
        Golden(
            event: .remote(.remove("b2")), text: #""kind":"remote","op":"remove","remote":"b2"}"#),
        Golden(event: .offsite(pack), text: packText),
        Golden(event: .offsite(piece), text: pieceText),
        Golden(
            event: .offsiteCheck(check),
            text:
                #""kind":"offsitecheck","remote":"b2","objects":5120,"good":5118,"faults":[["packs/fb/fb8e20fc2e4c3f248c60c39bd652f3c1347298bb977b8b4d5903b85055620603.tar","missing"]],"rolledback":1,"part":2}"#
        ),
        Golden(
            event: .offsiteProof(
                OffsiteProofEvent(
                    "b2", objects: [pieceName], faults: [.init(object: packName, fault: .corrupt)])
            ),
            text:
                #""kind":"offsiteproof","remote":"b2","objects":["ledger/6f1d9c1e/000001.jsonl"],"faults":[["packs/fb/fb8e20fc2e4c3f248c60c39bd652f3c1347298bb977b8b4d5903b85055620603.tar","corrupt"]]}"#
        ),
        Golden(
            event: .wipeTest(
                WipeTestEvent("b2", overwrite: .hidden, delete: .done, shorten: .refused)),
            text:
                #""kind":"wipetest","remote":"b2","overwrite":"hidden","delete":"done","shorten":"refused"}"#
        ),
        Golden(
            event: .drill(
                DrillEvent(
                    of: .remote("b2"), images: 81234, listed: 81234, seen: 81230, restored: 42,
                    decoded: 40, faults: 0, report: three)),
            text:
                #""kind":"drill","remote":"b2","images":81234,"listed":81234,"seen":81230,"restored":42,"decoded":40,"faults":0,"report":"fb8e20fc2e4c3f248c60c39bd652f3c1347298bb977b8b4d5903b85055620603"}"#
        ),
        Golden(
            event: .drill(
                DrillEvent(
                    of: .volume(2), images: 81234, listed: 81233, seen: 0, restored: 42,
                    decoded: 0, faults: 1, report: three)),
            text:
                #""kind":"drill","volume":2,"images":81234,"listed":81233,"seen":0,"restored":42,"decoded":0,"faults":1,"report":"fb8e20fc2e4c3f248c60c39bd652f3c1347298bb977b8b4d5903b85055620603"}"#
        ),
    ]
}

@Suite("An event of the ledger") struct LedgerEventTests {
    private let temporary: TemporaryArchive

    init() throws { temporary = try TemporaryArchive(volumes: 1, copies: 1) }

    /// Appends entries as another program might.
    @discardableResult
    private func append(_ entries: [LedgerEntry]) throws -> Int64 {
        let volumes = try [temporary.volume(1)]
        let (ledger, _) = try Ledger.open(on: volumes, archive: volumes[0].identity.archive)
        _ = try ledger.append(entries)
        return ledger.position.number
    }

    @Test("is written as just these bytes, and the event is read back", arguments: Golden.all)
    fileprivate func golden(_ golden: Golden) throws {
        let entry = golden.event.entry(by: "ann", at: Golden.time)
        try append([entry])
        let line = try #require(
            try String(
                contentsOfFile: temporary.ledgerFile(on: 1), encoding: .utf8
            ).split(separator: "\n").last)
        let prefix =
            #"{"n":1,"prev":"\#(Digest.zero.hex)","t":"2026-11-22T02:05:52.123456789Z","by":"ann","#
        #expect(line == prefix + golden.text)

        let read = try #require(try temporary.ledger().last).entry
        #expect(read == entry)
        let event = try LedgerEvent(read)
        #expect(event.entry(by: "ann", at: Golden.time) == entry)
        switch (event, golden.event) {
        case (.volume(let read), .volume(let written)): #expect(read == written)
        case (.views(let read), .views(let written)): #expect(read == written)
        case (.series(let read), .series(let written)): #expect(read == written)
        case (.ingest(let read), .ingest(let written)): #expect(read == written)
        case (.duplicate(let read), .duplicate(let written)): #expect(read == written)
        case (.reject(let read), .reject(let written)): #expect(read == written)
        case (.damage(let read), .damage(let written)): #expect(read == written)
        case (.copies(let read), .copies(let written)): #expect(read == written)
        case (.scrub(let read), .scrub(let written)): #expect(read == written)
        case (.search(let read), .search(let written)): #expect(read == written)
        case (.remote(let read), .remote(let written)): #expect(read == written)
        case (.offsite(let read), .offsite(let written)): #expect(read == written)
        case (.offsiteCheck(let read), .offsiteCheck(let written)): #expect(read == written)
        case (.offsiteProof(let read), .offsiteProof(let written)): #expect(read == written)
        case (.wipeTest(let read), .wipeTest(let written)): #expect(read == written)
        case (.drill(let read), .drill(let written)): #expect(read == written)
        case (.paths(let read), .paths(let written)):
            #expect(read.view == written.view && read.through == written.through)
            #expect(read.time == written.time)
            #expect(read.paths.map(\.series) == written.paths.map(\.series))
            #expect(read.paths.map(\.path) == written.paths.map(\.path))
        default: Issue.record("another kind was read")
        }
    }

    @Test("of every kind has a golden line, which README shows") func readme() throws {
        let kinds = Golden.all.map { $0.event.entry(by: "", at: Golden.time).kind }
        #expect(Set(kinds) == LedgerEvent.kinds)
        let file = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../../README.md")
        let readme = try String(contentsOf: file, encoding: .utf8)
        let chapter = try #require(readme.components(separatedBy: "\n## Format 1\n").last)
        let shown = chapter.split(separator: "\n").filter { $0.hasPrefix(#""kind":"#) }
        #expect(shown.map(String.init).sorted() == Golden.all.map(\.text).sorted())
    }

    @Test("that lacks any of its fields, or has another type there, is damage")
    func fields() throws {
        let optional: [String: Set<String>] = [
            "ingest": ["uid", "uidname", "flags", "same", "a"],
            "duplicate": ["healed", "verified"], "remote": ["cipher", "hash"],
            "offsite": ["as", "hash", "until", "through", "blobs"],
            "offsitecheck": ["faults", "rolledback", "part"], "offsiteproof": ["faults"],
            "wipetest": ["shorten"], "drill": ["remote", "volume"],
        ]
        for golden in Golden.all {
            let entry = golden.event.entry(by: "ann", at: Golden.time)
            for (index, member) in entry.body.members.enumerated() {
                var lacking = entry
                lacking.body.members.remove(at: index)
                if optional[entry.kind]?.contains(member.key) != true {
                    #expect(throws: RecordError.field(member.key), "\(golden.text)") {
                        try LedgerEvent(lacking)
                    }
                }
                var wrong = entry
                wrong.body.members[index].value = .bool(true)
                #expect(throws: RecordError.field(member.key), "\(golden.text)") {
                    try LedgerEvent(wrong)
                }
            }
        }
    }

    @Test("may have a field that this program does not know") func unknownField() throws {
        for golden in Golden.all {
            var entry = golden.event.entry(by: "ann", at: Golden.time)
            entry.body.append("later", ["x": 1])
            let event = try LedgerEvent(entry)
            entry.body.members.removeLast()
            #expect(event.entry(by: "ann", at: Golden.time) == entry)
        }
    }

    /// Records that a newer pacsfs might write.
    static let newerRecords: [LedgerEntry] = [
        LedgerEntry(kind: "hologram", by: "ann", body: ["remote": "b2"]),
        LedgerEntry(
            kind: "remote", by: "ann",
            body: ["op": "add", "remote": "b2", "id": "x", "cipher": "rot13"]),
        LedgerEntry(
            kind: "offsiteproof", by: "ann",
            body: ["remote": "b2", "objects": [], "faults": [["packs/x", "singed"]]]),
        LedgerEntry(
            kind: "wipetest", by: "ann",
            body: ["remote": "b2", "overwrite": "perhaps", "delete": "done"]),
        LedgerEntry(kind: "volume", by: "ann", body: ["op": "rest", "volume": 1]),
        LedgerEntry(kind: "search", by: "ann", body: ["op": "share", "words": "rex"]),
        LedgerEntry(
            kind: "damage", by: "ann",
            body: ["sha256": .string(Digest.zero.hex), "volume": 1, "problem": "singed"]),
    ]

    @Test(
        "of a newer pacsfs stops this one, which says so and changes nothing",
        arguments: newerRecords)
    func newer(_ entry: LedgerEntry) throws {
        try temporary.archive(series(images: 1))
        let number = try append([entry])
        let before = (
            try temporary.index.dump(), try contents(of: temporary.ledgerFile(on: 1))
        )
        func expectRefusal(_ body: () throws -> Void) {
            let error = #expect(throws: ArchiveError.self) { try body() }
            #expect(error?.code == .newerFormat)
            let message = error?.description ?? ""
            #expect(message.contains("Record \(number) "), "\(message)")
            #expect(message.contains("\"\(entry.kind)\""), "\(message)")
            #expect(message.contains("newer pacsfs. Update pacsfs"), "\(message)")
        }
        expectRefusal { try temporary.open { _ in } }
        expectRefusal {
            _ = try Archive.rebuild(at: temporary.path, log: temporary.log.logger) { _ in }
        }
        expectRefusal {
            _ = try Archive.create(
                at: temporary.folder.path("again"), from: temporary.volumes[0], others: [],
                copies: 1, log: temporary.log.logger
            ) { _ in }
        }
        #expect(!FileManager.default.fileExists(atPath: temporary.folder.path("again")))
        #expect(try temporary.index.dump() == before.0)
        #expect(try contents(of: temporary.ledgerFile(on: 1)) == before.1)

        let report = try #require(try Verification(archive: temporary.path).run())
        // Of the images nothing can be said.
        #expect(report.faults == 0 && report.newer == 1, "\(report.findings)")
        let finding = report.findings.first { $0.severity == .newer }
        #expect(finding?.record == number)
        #expect(finding?.reason.contains("Update pacsfs") == true, "\(report.findings)")
    }
}
