import TestSupport
import DICOM
import Naming
import TagIndex
import Testing

@Suite("Directories of the views")
struct DirectoryTests {
    private let fixture: IndexFixture

    init() throws { fixture = try IndexFixture() }

    private func view(_ name: String) throws -> Node {
        try #require(try fixture.index.read { try $0.node(in: 0, folded: name) })
    }

    private func leaf(_ place: IndexWriter.Assignment, in view: String) throws -> Node {
        let path = try fixture.path(place, in: view).split(separator: "/").dropLast().map(
            String.init)
        return try #require(
            try fixture.index.read { reader in
                var node: Node?
                for name in path {
                    node = try reader.node(in: node?.id ?? 0, folded: PortableName.folded(name))
                }
                return node
            })
    }

    private func patient(_ number: Int) -> AttributeSet {
        rex.with([
            .patientName: "Animal^\(number)", .patientID: "\(number)",
            .studyInstanceUID: "1.2.\(number)",
            .seriesInstanceUID: "1.2.\(number).1",
        ])
    }

    @Test("The views are there before the first image, empty")
    func emptyViews() throws {
        var names: [String] = []
        try fixture.index.read {
            try $0.nodes(in: 0, after: 0) {
                names.append($0.name); return true
            }
        }
        #expect(names == DefaultViews.all.map(\.name))
        let byUID = try view("by-uid")
        var children = 0
        try fixture.index.read {
            try $0.nodes(in: byUID.id, after: 0) { _ in
                children += 1; return true
            }
        }
        #expect(children == 0)
    }

    @Test("Directories listed in small portions while others come: nothing twice, nothing missing")
    func cookiesOfDirectories() throws {
        for number in 0..<10 { try fixture.add(patient(number), seed: UInt64(number)) }
        let view = try view("by-patient")
        var listed: [String] = []
        var cookie: Int64 = 0
        var next = 10
        while true {
            var portion: [Node] = []
            try fixture.index.read { reader in
                try reader.nodes(in: view.id, after: cookie) {
                    portion.append($0)
                    return portion.count < 3
                }
            }
            guard let last = portion.last else { break }
            cookie = last.id
            listed += portion.map(\.name)
            if next < 20 {
                try fixture.add(patient(next), seed: UInt64(next))
                next += 1
            }
        }
        #expect(Set(listed).count == listed.count)
        #expect(Set(listed).isSuperset(of: (0..<10).map { "Animal^\($0) (\($0))" }))
        #expect(listed.count == next)
    }

    @Test("Images listed in small portions while others come: nothing twice, nothing missing")
    func cookiesOfImages() throws {
        func add(_ number: Int) throws -> IndexWriter.Assignment {
            try fixture.add(
                rex.with([.instanceNumber: "\(100 - number)", .sopInstanceUID: "1.2.3.1.\(number)"]
                ), seed: UInt64(number))
        }
        let first = try add(0)
        for number in 1..<10 { _ = try add(number) }
        for byUID in [false, true] {
            var listed: [String] = []
            var cookie: Int64 = 0
            var extra = 0
            while true {
                var portion: [Image] = []
                try fixture.index.read { reader in
                    try reader.images(inSeries: first.series, byUID: byUID, after: cookie) {
                        portion.append($0)
                        return portion.count < 4
                    }
                }
                guard let last = portion.last else { break }
                cookie = last.id
                listed += portion.map(\.name)
                if extra < 5 {
                    _ = try add(10 + extra + (byUID ? 5 : 0))
                    extra += 1
                }
            }
            #expect(Set(listed).count == listed.count)
            #expect(listed.count == (byUID ? 20 : 15))
            #expect(listed.contains(byUID ? "1.2.3.1.0.dcm" : "00100.dcm"))
        }
    }

    @Test("A listing can go back to an earlier cookie")
    func seekingBack() throws {
        for number in 0..<6 { try fixture.add(patient(number), seed: UInt64(number)) }
        let view = try view("by-id")
        func names(after cookie: Int64) throws -> [String] {
            var names: [String] = []
            try fixture.index.read {
                try $0.nodes(in: view.id, after: cookie) {
                    names.append($0.name); return true
                }
            }
            return names
        }
        var ids: [Int64] = []
        try fixture.index.read {
            try $0.nodes(in: view.id, after: 0) {
                ids.append($0.id); return true
            }
        }
        let before = try names(after: ids[2])
        try fixture.add(patient(6), seed: 6)
        #expect(try names(after: ids[2]) == before + ["6"])
    }

    @Test("The time of a directory rises with each entry; the times of others stay")
    func changedTimes() throws {
        let first = try fixture.add(rex, seed: 1)
        let shown = try leaf(first, in: "by-patient")
        let patients = try view("by-patient")
        let times = (shown.changed, patients.changed)

        let second = try fixture.add(
            rex.with([.sopInstanceUID: "1.2.3.1.2", .instanceNumber: "2"]), seed: 2)
        let leafTime = try leaf(second, in: "by-patient").changed
        #expect(leafTime > times.0)
        #expect(try view("by-patient").changed == times.1)
        #expect(try fixture.index.read { try $0.image(second.instance)?.received } == leafTime)

        try fixture.add(patient(7), seed: 3)
        #expect(try view("by-patient").changed > leafTime)
        #expect(try leaf(first, in: "by-patient").changed == leafTime)
    }

    @Test("A write knows which directories got an entry")
    func changedNodes() throws {
        func changed(_ attributes: AttributeSet, seed: UInt64) throws -> Set<[String]> {
            let nodes = try fixture.index.write { writer in
                try fixture.add(attributes, seed: seed, in: writer)
                return writer.changedNodes
            }
            return try fixture.index.read { reader in
                try Set(nodes.compactMap { try reader.path(of: $0) })
            }
        }
        let first = try changed(rex, seed: 1)
        #expect(first.contains(["by-id"]))
        #expect(first.contains(["by-id", "1001"]))
        #expect(first.contains(["by-id", "1001", "2024-03-14"]))
        #expect(first.contains(["by-id", "1001", "2024-03-14", "001 DX Hip VD"]))
        let second = try changed(
            rex.with([.sopInstanceUID: "1.2.3.1.2", .instanceNumber: "2"]), seed: 2)
        #expect(second.count == 8)
        #expect(second.contains(["by-id", "1001", "2024-03-14", "001 DX Hip VD"]))
        #expect(!second.contains(["by-id", "1001"]))
    }

    @Test("The path of a directory leads from the view down to it")
    func pathOfNode() throws {
        let place = try fixture.add(rex, seed: 1)
        let shown = try leaf(place, in: "by-date")
        #expect(
            try fixture.index.read { try $0.path(of: shown.id) }
                == [
                    "by-date", "2024", "03", "14", "Smith^Rex (1001) Hip dysplasia",
                    "001 DX Hip VD",
                ])
        #expect(try fixture.index.read { try $0.path(of: 0) } == [])
        #expect(try fixture.index.read { try $0.path(of: 123_456) } == nil)
    }

    @Test("The images below a directory are those of all its series")
    func instancesBelow() throws {
        for number in 0..<4 { try fixture.add(patient(number % 2), seed: UInt64(number)) }
        let view = try view("by-id")
        #expect(try fixture.index.read { try $0.instances(below: view.id) } == [1, 2, 3, 4])
        let zero = try #require(try fixture.index.read { try $0.node(in: view.id, folded: "0") })
        #expect(try fixture.index.read { try $0.instances(below: zero.id) } == [1, 3])
    }

    @Test("A leaf knows its series and how its files are named")
    func leaves() throws {
        let place = try fixture.add(rex, seed: 1)
        let number = try leaf(place, in: "by-id")
        let uid = try leaf(place, in: "by-uid")
        #expect((number.series, number.byUID) == (place.series, false))
        #expect((uid.series, uid.byUID) == (place.series, true))
        let contents = try #require(try fixture.index.read { try $0.contents(of: uid.id) })
        #expect((contents.series, contents.byUID) == (place.series, true))
        #expect(try fixture.index.read { try $0.contents(of: 99_999) } == nil)
        let image = try fixture.index.read {
            try $0.image(inSeries: place.series, name: "1.2.3.1.1.DCM", byUID: true)
        }
        #expect(image?.name == "1.2.3.1.1.dcm")
    }
}
