import Foundation
import Storage
import TemporaryArchive
import TestSupport
import Testing

@testable import Archive

@Suite("What takes long when pacsfs ends")
struct StoppingTests {
    private let temporary: TemporaryArchive

    init() throws { temporary = try TemporaryArchive() }

    /// Says after some questions that pacsfs ends.
    private final class Stop {
        private(set) var asked = 0
        private let limit: Int

        init(after limit: Int) { self.limit = limit }

        func isStopping() -> Bool {
            asked += 1
            return asked > limit
        }
    }

    @Test(
        "What waits on another volume is taken over up to a file, and by the next start",
        arguments: ["txt", "part"])
    func takingOver(ending: String) throws {
        for number in 0..<20 {
            try temporary.folder.write(
                Array("Page \(number)".utf8),
                to: "volume2/staging/incoming/cd/\(number).\(ending)")
        }
        let other = temporary.volumes[1] + "/staging/incoming"
        try temporary.open(recovering: false) { archive in
            let volume = try #require(archive.core.volumes.members[1].volume)
            let stop = Stop(after: 5)
            let problems = archive.administration.takeOverIncoming(
                of: volume, unless: stop.isStopping)
            #expect(problems.count == 1 && problems[0].contains("stopped"))
            #expect(stop.asked == 6)
            #expect(try files(below: other).count == 15)
        }
        try temporary.open { _ in }
        #expect(try files(below: other) == [])
    }

    @Test("So are rejected files carried to another volume")
    func carrying() throws {
        try temporary.open { archive in
            let volumes = archive.core.volumes.members.compactMap(\.volume)
            let rejected = temporary.volumes[0] + "/rejected/2026-11-28"
            for number in 0..<20 {
                try temporary.folder.write(
                    Array("Page \(number)".utf8), to: "volume1/rejected/2026-11-28/\(number)")
            }
            let stop = Stop(after: 5)
            let problems = archive.rejected.carry(
                from: volumes[0], to: volumes[1], unless: stop.isStopping)
            #expect(problems.count == 15)
            #expect(try files(below: temporary.volumes[1] + "/rejected").count == 5)
            #expect(try files(below: rejected).count == 20)
        }
    }
}
