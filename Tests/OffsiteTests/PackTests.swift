import Glibc
import Offsite
import Storage
import SyntheticStudy
import System
import TestSupport
import Testing

@Suite("A pack") struct PackTests {
    /// Blobs of a folder, by their digests.
    private struct Blobs {
        let folder: TemporaryFolder
        var members: [PackWriter.Member] = []

        init(_ sizes: [Int], seed: UInt64 = 1) throws {
            folder = try TemporaryFolder()
            var random = SeededRandom(seed: seed)
            for size in sizes {
                let bytes = (0..<size).map { _ in UInt8.random(in: 0...255, using: &random) }
                let digest = Digest.of(bytes)
                try folder.write(bytes, to: "in/\(digest.hex)")
                members.append(PackWriter.Member(digest: digest, bytes: Int64(size)))
            }
            members.sort { $0.digest < $1.digest }
        }

        func pack(_ name: String = "pack.tar") throws -> Pack {
            let output = try Descriptor(
                opening: folder.path(name), O_WRONLY | O_CREAT | O_EXCL, mode: 0o600)
            var writer = try PackWriter(to: output.number, path: name, members: members)
            while let member = writer.expected {
                let path = folder.path("in/\(member.digest.hex)")
                let input = try Descriptor(opening: path, O_RDONLY)
                try writer.append(from: input.number, path: path)
            }
            return try writer.finish()
        }

        /// Reads the pack back.
        func contents(_ name: String = "pack.tar") throws -> [Digest: [UInt8]] {
            let input = try Descriptor(opening: folder.path(name), O_RDONLY)
            var reader = PackReader(name: name, from: input.number)
            var found: [Digest: [UInt8]] = [:]
            while case .blob(let place) = try reader.next() {
                var bytes: [UInt8] = []
                try reader.read { bytes.append(contentsOf: $0) }
                found[place.digest] = bytes
            }
            return found
        }
    }

    private static let sizes = [0, 1, 511, 512, 513, 70_000, 300_000, 1_000_001]

    @Test("is restored by tar and sha256sum alone") func byHand() throws {
        let blobs = try Blobs(Self.sizes)
        let pack = try blobs.pack()
        let run = try ProgramRun(
            [
                "bash", "-ec",
                """
                mkdir out; cd out; tar xf ../pack.tar 2>../said
                cat sums/* | sha256sum -c --strict; test ! -s ../said
                stat -c '%a %Y' blobs/*/*/*.dcm | sort -u
                """,
            ], in: blobs.folder.path)
        #expect(run.succeeded, "\(run.report)")
        #expect(run.lines.count { $0.hasSuffix(": OK") } == Self.sizes.count)
        #expect(run.lines.last == "444 0")
        #expect(try Files.digest(blobs.folder.path("pack.tar")) == pack.sha256.hex)
        let md5 = try ProgramRun(["md5sum", blobs.folder.path("pack.tar")])
        #expect(md5.output.hasPrefix(pack.md5))
        #expect(try Files.read(blobs.folder.path("pack.tar")).count == pack.bytes)
    }

    @Test("is listed by GNU tar, bsdtar and Python without a complaint") func programs() throws {
        let blobs = try Blobs(Self.sizes)
        _ = try blobs.pack()
        for program in [
            ["tar", "--list", "--verbose", "--numeric-owner", "-f"], ["bsdtar", "-tf"],
            ["python3", "-m", "tarfile", "-l"],
        ] {
            let run = try ProgramRun(program + [blobs.folder.path("pack.tar")])
            #expect(run.succeeded && run.errors.isEmpty, "\(run.report)")
            #expect(run.lines.count { $0.contains(".dcm") } == Self.sizes.count)
        }
    }

    @Test("of the same blobs has the same bytes") func deterministic() throws {
        let blobs = try Blobs(Self.sizes)
        let (one, other) = (try blobs.pack("a"), try blobs.pack("b"))
        #expect(one.sha256 == other.sha256 && one.name == other.name)
        #expect(try Files.read(blobs.folder.path("a")) == Files.read(blobs.folder.path("b")))
    }

    @Test("says where each blob lies") func places() throws {
        let blobs = try Blobs(Self.sizes)
        let pack = try blobs.pack()
        let bytes = try Files.read(blobs.folder.path("pack.tar"))
        #expect(pack.places.map(\.digest) == blobs.members.map(\.digest))
        for place in pack.places {
            #expect(place.object == pack.name)
            let range = Int(place.range.lowerBound)..<Int(place.range.upperBound)
            #expect(Digest.of(Array(bytes[range])) == place.digest)
        }
    }

    @Test("does not take a damaged, short or unreadable copy") func damagedCopy() throws {
        let blobs = try Blobs([1000, 300_000])
        let path = blobs.folder.path("in/\(blobs.members[0].digest.hex)")
        let good = try Files.read(path)
        for bad in [good.dropLast() + [good.last! ^ 1], good.dropLast(), []] {
            try Files.write(Array(bad), to: path)
            _ = unlink(blobs.folder.path("pack.tar"))
            let error = #expect(throws: OffsiteError.self) { try blobs.pack() }
            #expect(error?.code == .corrupt && error?.path == path)
        }
        _ = unlink(path)
        mkdir(path, 0o700)
        _ = unlink(blobs.folder.path("pack.tar"))
        #expect(throws: OffsiteError.self) { try blobs.pack() }
    }

    @Test("on a full disk says so") func full() throws {
        let blobs = try Blobs([300_000])
        let output = try Descriptor(opening: "/dev/full", O_WRONLY)
        let error = #expect(throws: OffsiteError.self) {
            _ = try PackWriter(to: output.number, path: "x", members: blobs.members)
        }
        #expect(error?.code == .noLocalSpace)
    }

    @Test("is read back as it was made, also through a pipe in odd pieces") func reading() throws {
        let blobs = try Blobs(Self.sizes)
        _ = try blobs.pack()
        let contents = try blobs.contents()
        #expect(Set(contents.keys) == Set(blobs.members.map(\.digest)))
        for (digest, bytes) in contents { #expect(Digest.of(bytes) == digest) }

        let bytes = try Files.read(blobs.folder.path("pack.tar"))
        var done = 0
        var reader = PackReader(name: "pipe") { (buffer) throws(Errno) in
            let count = min(buffer.count, 333, bytes.count - done)
            buffer.copyBytes(from: bytes[done..<done + count])
            done += count
            return count
        }
        var seen = 0
        // Without reading: passed over.
        while case .blob = try reader.next() { seen += 1 }
        #expect(seen == Self.sizes.count)
    }

    @Test("that was changed anywhere is refused") func tampering() throws {
        let blobs = try Blobs([0, 600, 1500])
        _ = try blobs.pack()
        let path = blobs.folder.path("pack.tar")
        let good = try Files.read(path)
        func expectRefused(_ bytes: [UInt8], _ what: String) throws {
            try Files.write(bytes, to: path)
            do {
                let contents = try blobs.contents()
                Issue.record("\(what) was read: \(contents.count) blobs")
            } catch let error as OffsiteError {
                #expect(error.code == .corrupt, "\(what): \(error)")
            }
        }
        // Every byte, in every block.
        for offset in stride(from: 0, to: good.count, by: 7) {
            var bad = good
            bad[offset] ^= 0x10
            try expectRefused(bad, "a change of byte \(offset)")
        }
        for count in stride(from: 0, to: good.count, by: 101) {
            try expectRefused(Array(good.prefix(count)), "the first \(count) bytes")
        }
        try expectRefused(good + [0], "one byte more")
        try expectRefused(good + good, "a pack twice")
        // The last blob and its header are gone, and the end is in their place.
        let last = good.count - 1024 - 512 - 512 * 3
        try expectRefused(Array(good[..<last] + good.suffix(1024)), "without a member")
    }
}
