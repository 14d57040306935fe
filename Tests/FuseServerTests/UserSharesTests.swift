import Archive
import Glibc
import System
import TestSupport
import Testing

@testable import FuseServer

@Suite("Shares of users in incoming")
struct UserSharesTests {
    @Test(
        """
        Nobody makes more names than are left for others, as files or folders; what settles or is \
        removed counts no more
        """
    )
    func names() throws {
        let fixture = try TreeFixture(settle: 0.2, mostNames: 8)
        func create(_ name: String, by user: uid_t) throws -> IncomingHandle {
            try fixture.tree.create(
                Array(name.utf8), in: fixture.root, flags: O_WRONLY, mode: 0o644,
                caller: FileOwner(uid: user, gid: user)
            ).1
        }
        func makeDirectory(_ name: String, by user: uid_t) throws {
            _ = try fixture.tree.makeDirectory(
                Array(name.utf8), in: fixture.root, mode: 0o755,
                caller: FileOwner(uid: user, gid: user))
        }
        for number in 1...2 {
            fixture.tree.release(try create("a\(number)", by: 1001))
            try makeDirectory("b\(number)", by: 1001)
        }
        #expect(throws: Errno(EDQUOT)) { try create("a3", by: 1001) }
        #expect(throws: Errno(EDQUOT)) { try makeDirectory("b3", by: 1001) }
        // What is there can be opened all the same, and others go on.
        let again = try create("a1", by: 1001)
        #expect(try fixture.save(image(1), as: "x.dcm") == 0)
        fixture.tree.release(again)
        // What is gone does not count, whether or not the kernel has forgotten it.
        try fixture.tree.unlink(Array("a1".utf8), in: fixture.root)
        fixture.tree.release(try create("a3", by: 1001))
        #expect(throws: Errno(EDQUOT)) { try create("a4", by: 1001) }
        let settling = Settling { [tree = fixture.tree] in tree }
        settling.start()
        #expect(try eventually { try fixture.left.isEmpty })
        settling.stop()
        for number in 4...5 { fixture.tree.release(try create("a\(number)", by: 1001)) }
        let status = try fixture.archive.status(pending: nil, readMode: nil, mountpoint: nil)
        #expect(status.refusals.map(\.resource) == [.incomingNames])
        #expect(status.refusals.first?.count == 3 && status.health.level == .attention)
        #expect(
            fixture.temporary.log.messages(.warning).count {
                $0.contains("full share of the names")
            } == 1)
    }

    @Test("What is left for the daemon of few and of many descriptors")
    func budget() {
        #expect(DescriptorBudget(limit: 400).users == 200)
        #expect(DescriptorBudget(limit: 20_000).users == 17_952)
        #expect(DescriptorBudget(limit: .max).users == 262_144)
        #expect(DescriptorBudget(limit: 400).unusedImages == 50)
    }
}
