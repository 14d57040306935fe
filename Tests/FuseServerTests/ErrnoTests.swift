import Archive
import Glibc
import Storage
import System
import Testing

@testable import FuseServer

@Suite("Error numbers")
struct ErrnoTests {
    private static let table: [(ArchiveError.Code, Int32)] = [
        (.noSpace, ENOSPC), (.storage, EIO), (.notFound, EIO), (.locked, EBUSY),
        (.configuration, EIO),
        (.index, EIO), (.noGoodCopy, EIO), (.shuttingDown, ESHUTDOWN),
    ]

    @Test("Each error of the archive has the number that programs understand", arguments: table)
    func mapping(code: ArchiveError.Code, errno: Int32) {
        #expect(code.errno == errno)
        do throws(Errno) {
            try Errno.from { throw ArchiveError(code, "…") }
            Issue.record("nothing was thrown")
        } catch {
            #expect(error == Errno(errno))
        }
    }

    @Test("An error number goes through as it is, anything unknown is EIO")
    func others() {
        struct Strange: Error {}
        #expect(throws: Errno(EXDEV)) { try Errno.from { throw Errno(EXDEV) } }
        #expect(throws: Errno(EIO)) { try Errno.from { throw Strange() } }
        #expect(throws: Never.self) { try Errno.from { #expect(1 + 1 == 2) } }
    }

    @Test("The number of the call that just failed")
    func last() {
        #expect(open("/no/such/file", O_RDONLY) == -1)
        #expect(Errno.last == Errno(ENOENT))
    }

    @Test("A reply that is dropped without an answer becomes EIO; one that was given is given once")
    func replies() {
        let dropped = Answer()
        _ = dropped.reply
        #expect(dropped.wait() == EIO)
        let given = Answer()
        do {
            let reply = given.reply
            reply.answer(.failure(Errno(ENOSPC)))
            reply.answer(.success(()))
        }
        #expect(given.wait() == ENOSPC)
    }
}
