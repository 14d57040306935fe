import TestSupport
import Testing

@testable import Storage

@Suite("A digest") struct DigestTests {
    @Test("is SHA-256 as FIPS 180 gives it for abc") func known() {
        #expect(
            Digest.of(Array("abc".utf8)).hex
                == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        #expect(
            Digest.of([]).hex
                == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    }

    @Test("survives hex and bytes, in either case") func roundTrip() {
        for seed in 0..<50 as Range<UInt64> {
            let digest = Digest.of(content(seed))
            #expect(Digest(hex: digest.hex) == digest)
            #expect(Digest(hex: digest.hex.uppercased()) == digest)
            #expect(Digest(bytes: digest.bytes) == digest)
            #expect(digest.bytes.count == 32)
        }
    }

    @Test(
        "is not made of anything but 64 hexadecimal digits",
        arguments: [
            "", "abc", String(repeating: "g", count: 64), String(repeating: "0", count: 65),
        ]
    ) func refused(hex: String) {
        #expect(Digest(hex: hex) == nil)
    }

    @Test("sorts as its hex text does") func order() {
        let digests = (0..<100 as Range<UInt64>).map { Digest.of(content($0)) }
        #expect(digests.sorted().map(\.hex) == digests.map(\.hex).sorted())
    }

    @Test("of pieces is that of the whole") func streaming() {
        let bytes = content(7, count: 10_000)
        var digest = StreamingDigest()
        for start in stride(from: 0, to: bytes.count, by: 333) {
            bytes[start..<min(start + 333, bytes.count)].withUnsafeBytes { digest.update($0) }
        }
        #expect(digest.bytes == 10_000)
        #expect(digest.finalize() == Digest.of(bytes))
    }

    @Test("of a file that is longer than the buffer is that of its bytes") func file() throws {
        let folder = try TemporaryFolder()
        let bytes = content(8, count: 600_001)
        let file = try folder.file("a", bytes)
        #expect(
            try Digest.of(descriptor: file.number, bytes: 600_001, path: "a") == Digest.of(bytes))
        expectError(.corrupt) {
            try Digest.of(descriptor: file.number, bytes: 600_002, path: "a")
        }
    }
}
