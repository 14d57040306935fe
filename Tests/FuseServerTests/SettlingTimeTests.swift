import CFuse3
import Glibc
import System
import TestSupport
import Testing

@testable import FuseServer

/// What stays in `/incoming`, and for how long. Time passes by hand.
@Suite("Settling as time passes")
struct SettlingTimeTests {
    private static let settle = 0.2
    private let clock = ManualClock()
    private let fixture: TreeFixture

    init() throws { fixture = try TreeFixture(settle: Self.settle, clock: clock) }

    /// Calls `body` while a thread settles.
    private func settling(_ body: (Settling) throws -> Void) throws {
        let settling = Settling { [tree = fixture.tree] in tree }
        settling.start()
        defer { settling.stop() }
        try body(settling)
    }

    /// Lets time pass, and waits until the settling thread has looked several times since.
    private func pass(_ seconds: Double) {
        clock.advance(by: seconds)
        let reads = clock.reads
        #expect(eventually { clock.reads > reads + 10 })
    }

    private func exists(_ name: String) -> Bool { access(fixture.path(name), F_OK) == 0 }

    @Test("Junk goes without a word, temporary names stay")
    func junkAndTemporary() throws {
        let directory = try fixture.makeDirectory("CD")
        for name in ["Thumbs.db", ".DS_Store", "._IM1.dcm"] {
            try fixture.save([1], as: name, in: directory)
        }
        try fixture.save(image(1), as: "IM1.dcm.part", in: directory)
        try fixture.save(image(2), as: "IM2.dcm")
        try settling { (_) throws in
            pass(Self.settle)
            #expect(try eventually { try fixture.left == ["CD/IM1.dcm.part"] })
            pass(3600)
        }
        #expect(try fixture.left == ["CD/IM1.dcm.part"])
        #expect(try fixture.rejected().isEmpty)
        #expect(try fixture.instances == 1)
    }

    @Test("A name stays while it is open, and for as long as it is used")
    func busy() throws {
        try fixture.save(image(1), as: "IM1.dcm")
        let reader = try fixture.open("IM1.dcm", flags: O_RDONLY)
        try fixture.save(image(2), as: "IM2.dcm")
        var times = stat()
        times.st_mtim = timespec(tv_sec: 1_000_000_000, tv_nsec: 0)
        try settling { (_) throws in
            let number = try fixture.tree.lookup(Array("IM2.dcm".utf8), in: fixture.root).ino
            for _ in 0..<6 {
                pass(Self.settle * 0.9)
                _ = try fixture.tree.setAttributes(number, to: times, which: 1 << 5)
            }
            #expect(exists("IM1.dcm"))
            #expect(exists("IM2.dcm"))
            pass(Self.settle)
            #expect(eventually { !exists("IM2.dcm") })
            #expect(exists("IM1.dcm"))
            #expect(try fixture.bytes(of: reader) == image(1))
            fixture.tree.release(reader)
            pass(Self.settle)
            #expect(eventually { !exists("IM1.dcm") })
        }
    }

    @Test("Directories go only when all below the topmost is quiet")
    func quietDirectories() throws {
        let top = try fixture.makeDirectory("CD")
        let one = try fixture.makeDirectory("1", in: top)
        let two = try fixture.makeDirectory("2", in: top)
        try fixture.save(image(1), as: "IM1.dcm", in: one)
        let writer = try fixture.create("IM2.dcm", in: two)
        try fixture.write(image(2), to: writer)
        try settling { (_) throws in
            pass(Self.settle)
            #expect(eventually { !exists("CD/1/IM1.dcm") })
            pass(Self.settle * 10)
            #expect(exists("CD/1"), "tar sets its times at the very end")
            #expect(fixture.flush(writer) == 0)
            fixture.tree.release(writer)
            // First the file, then the folders.
            #expect(
                eventually {
                    pass(Self.settle)
                    return !exists("CD")
                })
        }
    }

    @Test("A directory that nothing was in stays for whoever made it")
    func emptyDirectories() throws {
        let top = try fixture.makeDirectory("CD")
        _ = try fixture.makeDirectory("later", in: top)
        try fixture.save(image(1), as: "IM1.dcm")
        try settling { (_) throws in
            pass(Self.settle)
            #expect(eventually { !exists("IM1.dcm") })
            pass(Self.settle * 50)
            #expect(exists("CD/later"))
            // Sixty times as long as others.
            #expect(
                eventually {
                    pass(Self.settle * 10)
                    return !exists("CD")
                })
        }
    }

    @Test("What failed is tried again later")
    func retries() throws {
        let handle = try fixture.create("IM1.dcm")
        try fixture.write(image(1), to: handle)
        // As if it had been closed when there was no room.
        try fixture.fail(handle, "There was no room.")
        fixture.tree.release(handle)
        try settling { (settling) throws in
            pass(29)
            #expect(try fixture.instances == 0)
            #expect(settling.pending == 1)
            pass(2)
            #expect(try eventually { try fixture.instances == 1 })
            #expect(
                eventually {
                    pass(Self.settle)
                    return !exists("IM1.dcm")
                })
        }
        #expect(try fixture.isBlob(image(1)))
    }
}
