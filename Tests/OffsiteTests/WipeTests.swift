import Foundation
import Glibc
import OffsiteSupport
import Storage
import TestSupport
import Testing

@testable import Offsite

/// What the keys of a machine can destroy on a remote.
@Suite("The wipe test", .mayNotHang) struct WipeTests {
    @Test(
        "says of remotes without versions that everything can be destroyed",
        arguments: [RemoteKind.folder, .webdav])
    func destroyable(kind: RemoteKind) throws {
        let remote = try TestRemote(kind)
        let outcome = try remote.access().testWipe(lock: nil)
        #expect(outcome == WipeOutcome(overwrite: .done, delete: .done, shorten: nil))
        // With encryption on top it is the same.
        let sealed = try remote.access(keys: .generated()).testWipe(lock: nil)
        #expect(sealed == outcome)
    }

    @Test("refuses to call it refused when the server does not answer") func silent() throws {
        let remote = try TestRemote(.folder)
        var location = remote.location
        location.options = [
            "type": "webdav", "url": "http://127.0.0.1:\(try Server.freePort())",
        ]
        let access = try RemoteAccess(
            RemoteConfiguration(name: "gone", location: location), Rclone())
        #expect(throws: OffsiteError.self) { try access.testWipe(lock: nil) }
    }

    @Test(
        "says of S3 with locks that what is overwritten or deleted is kept",
        .enabled(if: PythonPrograms.weed != nil, PythonPrograms.areAbsent))
    func locked() throws {
        let remote = try TestRemote(.s3, isLocked: true)
        let access = try remote.access(Rclone(program: PythonPrograms.rclone))
        let tomorrow = Timestamp(nanoseconds: Timestamp.now().nanoseconds + 86_400_000_000_000)
        let outcome = try access.testWipe(lock: ObjectLock(until: tomorrow))
        #expect(outcome.overwrite == .hidden && outcome.delete == .hidden)
        // Without a lock the versions can be deleted by these keys.
        let without = try access.testWipe(lock: nil)
        #expect(without.overwrite == .done && without.delete == .done && without.shorten == nil)
        // The test's keys are those of an administrator, who may end a lock of this kind.
        #expect(outcome.shorten == .done)

        // What was deleted or overwritten is fetched and listed as it was.
        for number in [1, 2] {
            try access.put(Array("good".utf8), to: "\(number)", hash: .md5)
        }
        usleep(1_100_000)
        let time = Timestamp.now()
        usleep(1_100_000)
        _ = try access.rclone(["deletefile", access.serverPath(of: "1")])
        _ = try access.rclone(["rcat", access.serverPath(of: "2")], input: Array("evil!".utf8))
        for number in [1, 2] {
            var bytes: [UInt8] = []
            try access.fetch("\(number)", at: time) { bytes += $0 }
            #expect(bytes == Array("good".utf8))
        }
        var listed: [String: Int64] = [:]
        try access.list(hash: .md5, at: time) { listed[$0.name] = $0.bytes }
        #expect(listed["1"] == 4 && listed["2"] == 4)
    }
}
