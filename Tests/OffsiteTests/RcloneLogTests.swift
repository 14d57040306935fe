import System
import TestSupport
import Testing

@testable import Offsite

@Suite("rclone's log") struct RcloneLogTests {
    private func events(_ text: String, in pieces: Int = .max) -> [RcloneLog.Event] {
        var log = RcloneLog()
        var events: [RcloneLog.Event] = []
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            log.take(rest.prefix(pieces)) { events.append($0) }
            rest = rest.dropFirst(pieces)
        }
        log.finish { events.append($0) }
        return events
    }

    /// Recorded from both versions.
    private static func recorded(_ version: String) throws -> String {
        try Files.text("\(Package.path)/Tests/Fixtures/rclone-log/\(version).log")
    }

    @Test("of 1.60 is read, plain lines too", arguments: [1, 7, 4096]) func old(pieces: Int) throws
    {
        #expect(
            events(try Self.recorded("1.60"), in: pieces) == [
                .copied("f1"),
                .progress(TransferProgress(bytes: 200_000, totalBytes: 200_001, objects: 2)),
                .failed(
                    object: "f1",
                    "Source and destination exist but do not match: immutable file modified"),
                .failed(
                    object: nil,
                    "Failed to copy: SignatureDoesNotMatch: The request signature differs"),
                .more("status code: 403, request id: 18EC2A342CE76E1D4BA03FD2, host id:"),
                .failed(object: nil, ": error listing: directory not found"),
                .other("Encrypted drive: 0 differences found"),
            ])
    }

    @Test("of 1.75 is read") func new() throws {
        #expect(
            events(try Self.recorded("1.75")) == [
                .copied("f2"),
                .progress(TransferProgress(bytes: 100_211, totalBytes: 100_211, objects: 2)),
                .failed(
                    object: nil,
                    "Failed to create file system for \"nosuch:\": didn't find section in config "
                        + "file (\"nosuch\")"),
                .failed(
                    object: nil,
                    "Failed to copy: preallocate: file too big for remaining disk space"),
            ])
    }

    @Test("that is no log, or endless, does no harm") func garbage() {
        #expect(events("{\"level\":\"info\"\n") == [.more("{\"level\":\"info\"")])
        #expect(events(String(repeating: "x", count: 1 << 20) + "\n\n\n").count == 1)
        #expect(events("").isEmpty)
    }

    @Test(
        "says what kind of failure it is",
        arguments: [
            ("Failed to copy: SignatureDoesNotMatch: The request …", OffsiteFault.credentials),
            ("Failed to copy: Unauthorized: 401 Unauthorized", .credentials),
            (
                "couldn't connect SSH: ssh: handshake failed: ssh: unable to authenticate",
                .credentials
            ),
            ("dial tcp 127.0.0.1:9: connect: connection refused", .unreachable),
            (
                "Failed to create file system for \"f:\": NewFs: couldn't connect SSH: dial tcp "
                    + "127.0.0.1:9: connect: connection refused", .unreachable
            ),
            ("Failed to create file system for \"x:\": didn't find section", .configuration),
            ("preallocate: file too big for remaining disk space", .noSpace),
            ("write /mnt/x: no space left on device", .noSpace),
            ("googleapi: Error 403: storageQuotaExceeded", .noSpace),
            ("failed to authenticate decrypted block - bad password?", .wrongKeys),
            ("immutable file modified", .modified),
            ("corrupted on transfer: md5 hash differ", .corrupt),
            ("error listing: directory not found", .notFound),
            ("something new", .other),
        ])
    func faults(message: String, fault: OffsiteFault) {
        #expect(RcloneFailure.fault(of: message) == fault)
        let error = RcloneFailure.error("It failed", .exited(1), messages: [message])
        #expect(error.code == fault && !error.remedy.isEmpty)
    }

    @Test("without words leaves the exit code, or the signal") func endings() {
        func code(_ ending: ChildProcess.Ending?) -> OffsiteFault {
            RcloneFailure.error("It failed", ending, messages: []).code
        }
        #expect(code(.exited(1)) == .other && code(.exited(3)) == .notFound)
        #expect(code(.killed(15)) == .stopped && code(nil) == .timedOut)
    }

    @Test("begins with a version") func version() {
        #expect(RcloneVersion(answer: "rclone v1.60.1-DEV\n- os/version: debian") == .oldest)
        #expect(RcloneVersion(answer: "rclone v1.75.2") == RcloneVersion(1, 75, 2))
        #expect(RcloneVersion(answer: "rclone v1.74-beta.1")! == .withObjectLock)
        #expect(RcloneVersion(1, 9) < RcloneVersion(1, 60))
        for text in ["", "rclone", "rclone vx.y", "v1.2.3", "rsync v3.2"] {
            #expect(RcloneVersion(answer: text) == nil)
        }
    }
}
