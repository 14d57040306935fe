import Glibc
import Storage
import TestSupport
import Testing

@testable import Archive
@testable import System

/// Work whose length grows with what clients have made, in one call on a disk.
@Suite("Long work on a disk that answers", .mayNotHang)
struct LongDiskWorkTests {
    private struct NotAnswering: Error {}

    private let clock = ManualClock()
    private let patience: DiskPatience
    private let disk: DiskCalls
    private let folder: TemporaryFolder
    private let top: SharedDescriptor

    init() throws {
        patience = DiskPatience(limit: 8_000_000_000, clock: clock)
        disk = DiskCalls(patience)
        folder = try TemporaryFolder()
        top = try SharedDescriptor(
            at: AT_FDCWD, Array(folder.path("").utf8), flags: O_RDONLY | O_DIRECTORY)
    }

    /// Lets seconds pass for those who watch: six are no reason to give up a disk, twelve are.
    private static func pass(_ seconds: Int, _ clock: ManualClock, _ patience: DiskPatience) {
        for _ in 0..<seconds {
            clock.advance(by: 1)
            patience.look()
        }
    }

    /// Calls `body` as one call on the disk.
    ///
    /// - Parameter body: Gets what lets six seconds pass.
    private func asOneCall(
        _ body: @escaping @Sendable (_ pass: (Int) -> Void) -> Void
    ) throws {
        let (disk, clock, patience) = (disk, clock, patience)
        let pending = patience.begin(otherwise: { NotAnswering() }) { () throws(NotAnswering) in
            try disk.call(otherwise: { NotAnswering() }) { () throws(NotAnswering) in
                body { Self.pass($0, clock, patience) }
            }
        }
        try pending.wait()
    }

    /// Makes folders in folders.
    private func nest(_ depth: Int) throws {
        var current = top
        for _ in 1...depth {
            try #require(mkdirat(current.number, "d", 0o755) == 0)
            current = try SharedDescriptor(
                at: current.number, Array("d".utf8), flags: O_RDONLY | O_DIRECTORY)
        }
    }

    @Test("Folders may be walked for as long as it takes, and removed")
    func walk() throws {
        try nest(12)
        let top = top
        try asOneCall { pass in
            try? FolderWalk.walk(
                below: top.number,
                visit: { _ in
                    pass(6)
                    return true
                },
                leave: { parent, name in
                    pass(6)
                    _ = name.withCString { unlinkat(parent, $0, AT_REMOVEDIR) }
                })
        }
        #expect(!disk.hasGivenUp)
        #expect(faccessat(top.number, "d", F_OK, 0) != 0)
    }

    @Test("A walk of which one step hangs changes nothing after it")
    func abandoned() throws {
        try nest(12)
        let top = top
        let steps = Lock(0)
        #expect(throws: NotAnswering.self) {
            try asOneCall { pass in
                try? FolderWalk.walk(
                    below: top.number,
                    visit: { _ in
                        let step = steps.withLock { steps in
                            steps += 1
                            return steps
                        }
                        if step == 3 { pass(12) }
                        return true
                    },
                    leave: { parent, name in
                        _ = name.withCString { unlinkat(parent, $0, AT_REMOVEDIR) }
                    })
            }
        }
        #expect(disk.hasGivenUp)
        #expect(eventually { !disk.isBusy })
        #expect(steps.withLock { $0 } == 3)
        #expect(faccessat(top.number, "d" + String(repeating: "/d", count: 11), F_OK, 0) == 0)
    }

    @Test("So may a folder be listed, and the parts of a file, and each system call counts")
    func lists() throws {
        for number in 1...5 { try #require(mkdirat(top.number, "\(number)", 0o755) == 0) }
        let top = top
        try asOneCall { pass in
            let isListed: Void? = try? DirectoryEntry.forEach(in: top.number, orThrow: { $0 }) {
                (_) throws(Errno) in pass(6)
            }
            #expect(isListed != nil)
        }
        let file = try folder.write([1], to: "holes")
        let descriptor = Descriptor(owning: open(file, O_RDWR | O_CLOEXEC))
        for part in 0..<5 { pwrite(descriptor.number, "x", 1, part << 20) }
        let number = descriptor.number
        try asOneCall { pass in
            var extents = FileExtents(of: number, bytes: 5 << 20)
            while (try? extents.next()) != nil { pass(6) }
        }
        try asOneCall { pass in
            for _ in 1...3 {
                _ = try? FileFacts.of(Array("1".utf8), in: top.number)
                pass(6)
            }
            for _ in 1...3 {
                ForcedFile.mark(Array("holes".utf8), in: top.number)
                pass(6)
            }
        }
        #expect(!disk.hasGivenUp)
        _ = consume descriptor
    }
}
