import Archive
import Storage
import System
import TemporaryArchive
import TestSupport
import Testing

@testable import FuseServer

/// When `status.html` and `metrics.prom` are made, and when they count as changed.
@Suite("Documents that are made when they are read")
final class StatusDocumentTests: Sendable {
    private let temporary: TemporaryArchive
    private let clock = ManualClock()
    private let status: Lock<ArchiveStatus>
    private let made = Lock(0)

    init() throws {
        temporary = try TemporaryArchive()
        status = Lock(
            try temporary.open { try $0.status(pending: nil, readMode: nil, mountpoint: nil) })
    }

    private func documents() -> StatusDocuments {
        StatusDocuments(in: temporary.path, clock: clock) { [self] in
            made.withLock { $0 += 1 }
            return status.withLock { status in
                status.time = Timestamp(nanoseconds: clock.utc)
                return status
            }
        }
    }

    private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    @Test("A document stays until there is news", arguments: StatusDocuments.Kind.allCases)
    func news(_ kind: StatusDocuments.Kind) {
        let documents = documents()
        let (first, bytes) = (documents.facts(of: kind), documents.make(kind))
        #expect(bytes.count == first.size && first.time == clock.utc)
        for _ in 1...3 {
            status.withLock { $0.volumes[0].free -= 4096 }
            clock.advance(by: 10)
            #expect(documents.make(kind) == bytes)
            #expect(documents.facts(of: kind).time == first.time)
        }
        status.withLock { $0.instances += 1 }
        clock.advance(by: 10)
        #expect(documents.make(kind) != bytes)
        #expect(documents.facts(of: kind).time == clock.utc && first.time < clock.utc)
    }

    @Test("A document is of the moment when it is opened; stat takes one of the last second")
    func moments() {
        let documents = documents()
        _ = documents.facts(of: .page)
        for _ in 1...5 { _ = documents.facts(of: .page) }
        #expect(made.withLock { $0 } == 1)
        let first = documents.make(.page)
        clock.advance(by: 0.1)
        status.withLock { $0.patients = 7_654_321 }
        let second = documents.make(.page)
        #expect(!text(first).contains("7,654,321") && text(second).contains("7,654,321"))
        #expect(documents.facts(of: .page).size == second.count)
        #expect(made.withLock { $0 } == 3)
        clock.advance(by: 1.1)
        status.withLock { $0.instances += 1 }
        #expect(documents.facts(of: .page).time == clock.utc)
    }

    @Test("After a restart they count as changed only when they are")
    func restart() {
        let before = documents()
        let facts = before.facts(of: .page)
        before.keep()
        clock.advance(by: 1000)
        let after = documents()
        #expect(after.facts(of: .page).time == facts.time)
        #expect(after.make(.page).count == facts.size)
        after.keep()
        status.withLock { $0.instances += 1 }
        #expect(documents().facts(of: .page).time == clock.utc)
    }

    @Test("Without a status the page says so, and nothing of what was so before")
    func unknown() {
        let documents = documents()
        #expect(text(documents.make(.page)).contains("Ready"))
        documents.use {
            throw ArchiveError(.index, "The index cannot be read.", remedy: "Mount it again.")
        }
        clock.advance(by: 0.5)
        let page = text(documents.make(.page))
        #expect(page.contains("The index cannot be read.") && page.contains("<h1>Unknown</h1>"))
        #expect(!page.contains("Ready") && !page.contains("<h1>Safe"))
        #expect(text(documents.make(.metrics)).contains("pacsfs_up 0"))
    }
}
