import JSON
import System
import Testing

@testable import Storage

@Suite("A timestamp") struct TimestampTests {
    @Test(
        "is written and read as RFC 3339 with nanoseconds",
        arguments: [
            (0, "1970-01-01T00:00:00.000000000Z"),
            (1_795_313_152_123_456_789, "2026-11-22T02:05:52.123456789Z"),
            (951_782_400_000_000_000, "2000-02-29T00:00:00.000000000Z"),
            (-1, "1969-12-31T23:59:59.999999999Z"),
            (4_107_542_399_000_000_000, "2100-02-28T23:59:59.000000000Z"),
            (4_107_542_400_000_000_000, "2100-03-01T00:00:00.000000000Z"),
        ] as [(Int64, String)])
    func known(nanoseconds: Int64, text: String) {
        #expect(Timestamp(nanoseconds: nanoseconds).description == text)
        #expect(Timestamp(text)?.nanoseconds == nanoseconds)
    }

    @Test("survives being written at any time of two centuries") func roundTrip() {
        for step in -500..<1000 as Range<Int64> {
            let time = Timestamp(nanoseconds: step * 5_123_456_789_012_345)
            #expect(Timestamp(time.description) == time)
        }
    }

    @Test(
        "is not read from anything else",
        arguments: [
            "", "2026-11-22", "2026-11-22T02:05:52Z", "2026-13-22T02:05:52.123456789Z",
            "2026-11-22 02:05:52.123456789Z", "2026-11-22T24:05:52.123456789Z",
            "9999-11-22T02:05:52.123456789Z", "2026-11-22T02:05:5x.123456789Z",
        ])
    func refused(text: String) { #expect(Timestamp(text) == nil) }
}

@Suite("JSON") struct JSONTests {
    private func written(_ value: JSONValue) -> String {
        var writer = JSONWriter()
        writer.write(value)
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    @Test("keeps the order of keys") func order() {
        #expect(
            written(["z": 1, "a": 2, "m": [true, nil, "x"]])
                == #"{"z":1,"a":2,"m":[true,null,"x"]}"#)
    }

    @Test("survives being written and read")
    func roundTrip() throws {
        let all = String(String.UnicodeScalarView((0..<0x300).compactMap(Unicode.Scalar.init)))
        let value: JSONValue = [
            "text": .string(all), "name": "Müller^犬\u{1f436}", "least": .int(.min),
            "most": .int(.max), "empty": "", "nothing": [], "object": ["inner": [:]],
            "no": false,
        ]
        #expect(try JSONParser.value(of: Array(written(value).utf8)) == value)
    }

    @Test("is read with escapes and spaces that others write")
    func foreign() throws {
        let text = #" { "a" : "\u00e9\uD83D\uDC36\/\b\f" , "b" : [ 1 , -0 ] } "#
        #expect(
            try JSONParser.value(of: Array(text.utf8))
                == ["a": "é\u{1f436}/\u{8}\u{c}", "b": [1, 0]])
    }

    @Test(
        "that is broken is refused",
        arguments: [
            "", "{", "[1,]", "{\"a\"}", "{\"a\":1,}", "\"a", "tru", "01", "1.5", "1e3", "-",
            "9223372036854775808", "-9223372036854775809", "\"\u{1}\"", #""\ud800""#, #""\x""#,
            "1 2", "nul", #""\u12""#,
            String(repeating: "[", count: 100) + String(repeating: "]", count: 100),
        ])
    func broken(text: String) {
        #expect(throws: JSONError.self) { try JSONParser.value(of: Array(text.utf8)) }
    }

    @Test("that is not UTF-8 is refused") func notUTF8() {
        #expect(throws: JSONError.self) { try JSONParser.value(of: [0x22, 0xff, 0x22]) }
        #expect(throws: JSONError.self) {
            try JSONParser.value(of: [0x22, 0x5c, 0x6e, 0xc3, 0x22])
        }
    }
}

@Suite("A storage error") struct StorageErrorTests {
    @Test("says what, where, why and what to do") func description() {
        let error = StorageError.write(Errno(28), "/volume/x")
        #expect(error.code == .noSpace)
        #expect(
            error.description
                == "cannot write: /volume/x (No space left on device). "
                + "Make room or add a volume; pacsfs deletes nothing to make room")
    }
}
