import Testing

@testable import Offsite

@Suite("A listing") struct ListingTests {
    private func objects(_ text: String, in pieces: Int = .max) throws -> [ListedObject] {
        var listing = RemoteListing()
        var objects: [ListedObject] = []
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            try Array(rest.prefix(pieces)).withUnsafeBytes { bytes in
                try listing.take(bytes) { objects.append($0) }
            }
            rest = rest.dropFirst(pieces)
        }
        try listing.finish()
        return objects
    }

    private static let usual = """
        [
        {"Path":"blobs","Name":"blobs","Size":-1,"ModTime":"","IsDir":true},
        {"Path":"a b","Size":99,"IsDir":false,"Hashes":{"MD5":"87DC","sha1":""},"Tier":"STANDARD"},
        {"Path":"d/e","Name":"e","Size":0,"ModTime":"","IsDir":false}
        ]

        """

    @Test("is read in any pieces", arguments: [1, 2, 17, 4096]) func pieces(count: Int) throws {
        #expect(
            try objects(Self.usual, in: count) == [
                ListedObject(name: "a b", bytes: 99, hashes: [.md5: "87dc"]),
                ListedObject(name: "d/e", bytes: 0),
            ])
        #expect(try objects("[\n]\n").isEmpty && objects("[]\n").isEmpty)
    }

    @Test("that breaks off anywhere is not whole") func cut() {
        let whole = Self.usual.utf8.count - 2
        for count in 0..<whole - 1 {
            let error = #expect(throws: OffsiteError.self) {
                try objects(String(Self.usual.prefix(count)))
            }
            #expect(error?.code == .badAnswer)
        }
    }

    @Test(
        "of something else is refused",
        arguments: [
            "", "no", "{}", "[\n{\"Path\":1,\"Size\":1}\n]", "[\n{\"Path\":\"a\"}\n]", "[\n1\n]",
            "[\n]\n[\n]", "[1]", "[\n{\"Path\":\"a\",\"Size\":1.5}\n]",
        ])
    func refused(text: String) {
        #expect(throws: OffsiteError.self) { try objects(text) }
        #expect(throws: OffsiteError.self) {
            try objects("[\n" + String(repeating: "x", count: 1 << 17))
        }
    }

    private static func pin(_ name: String, _ bytes: Int64, _ hash: String?) -> Pin {
        Pin(object: name, bytes: bytes, hash: hash.map { PinnedHash(kind: .md5, hex: $0) })
    }

    private static func listed(_ name: String, _ bytes: Int64, _ hash: String?) -> ListedObject {
        ListedObject(name: name, bytes: bytes, hashes: hash.map { [.md5: $0] } ?? [:])
    }

    private func report(_ pins: [Pin], _ objects: [ListedObject]) -> PinComparison.Report {
        var comparison = PinComparison(pins)
        for object in objects.shuffled() { comparison.take(object) }
        return comparison.finish()
    }

    @Test("is compared with pins: each kind of fault") func faults() {
        let pins = [
            Self.pin("good", 1, "AA"), Self.pin("size", 2, nil), Self.pin("gone", 3, "bb"),
            Self.pin("cut", 4, "cc"), Self.pin("other", 5, "dd"), Self.pin("longer", 6, "ee"),
            Self.pin("one", 7, "f1"), Self.pin("two", 7, "f2"), Self.pin("silent", 8, "00"),
            Self.pin("twice", 9, "11"), Self.pin("longer size", 10, nil),
        ]
        let result = report(
            pins,
            [
                Self.listed("good", 1, "aa"), Self.listed("size", 2, "99"),
                Self.listed("cut", 3, "12"), Self.listed("other", 5, "13"),
                Self.listed("longer", 7, "14"), Self.listed("one", 7, "f2"),
                Self.listed("two", 7, "f1"), Self.listed("silent", 8, nil),
                Self.listed("twice", 9, "11"), Self.listed("twice", 9, "11"),
                Self.listed("longer size", 11, nil), Self.listed("stranger", 1, "aa"),
            ])
        let faults = result.faults.map { "\($0.pin.object): \($0.fault)" }
        #expect(
            faults == [
                "gone: missing", "cut: truncated(3)", "other: changed", "longer: changed",
                "one: swapped(with: \"two\")", "two: swapped(with: \"one\")", "silent: hashGone",
                "twice: doubled", "longer size: changed",
            ])
        #expect(result.good == [.hash: 1, .sizeOnly: 1])
        #expect(result.unknown == ["stranger"] && result.unknownCount == 1 && !result.isGood)
        #expect(result.rolledBack == 0)
    }

    @Test("of an earlier state is seen as that") func rollBack() {
        let pins = (0..<10).map { Self.pin("p\($0)", 1, "a\($0)") }
        func rolledBack(_ numbers: [Int]) -> Int {
            report(pins, numbers.map { Self.listed("p\($0)", 1, "a\($0)") }).rolledBack
        }
        #expect(rolledBack(Array(0..<7)) == 3)
        #expect(rolledBack(Array(0..<10)) == 0)
        #expect(rolledBack(Array(0..<9)) == 0, "one that is gone may be an accident")
        #expect(rolledBack([0, 1, 3, 4, 5]) == 0)
        #expect(rolledBack([]) == 0, "nothing is left: all is missing")
    }

    @Test("takes the latest pin of an object") func latest() {
        let pins = [Self.pin("a", 1, "11"), Self.pin("a", 2, "22")]
        #expect(report(pins, [Self.listed("a", 2, "22")]).isGood)
        #expect(!report(pins, [Self.listed("a", 1, "11")]).isGood)
    }

    @Test("asks for the best hash there is") func kinds() {
        #expect(HashKind.best(of: [.md5, .sha1, HashKind("SHA256")]) == .sha256)
        #expect(HashKind.best(of: [HashKind("crc32"), .md5]) == .md5)
        #expect(HashKind.best(of: [HashKind("newhash")])?.name == "newhash")
        #expect(HashKind.best(of: []) == nil)
    }
}
