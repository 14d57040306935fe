import Glibc
import OffsiteSupport
import System
import TestSupport
import Testing

@testable import Offsite

/// Each kind of failure is recognised.
@Suite("A failing remote", .mayNotHang) struct FailureTests {
    private func push(
        _ access: RemoteAccess, _ outgoing: Outgoing, _ hash: HashKind? = nil
    ) throws -> OffsiteFault? {
        do {
            let report = try access.push(outgoing.objects, from: outgoing.root, hash: hash)
            #expect(report.pins.isEmpty)
            return report.problems.values.first?.code
        } catch {
            return error.code
        }
    }

    private static func one() throws -> Outgoing {
        var outgoing = try Outgoing()
        try outgoing.add([1, 2, 3], as: "one")
        return outgoing
    }

    @Test("does not accept the password", arguments: [RemoteKind.sftp, .webdav])
    func credentials(kind: RemoteKind) throws { try expectRefused(kind) }

    @Test(
        "does not accept the key of S3",
        .enabled(if: PythonPrograms.weed != nil, PythonPrograms.areAbsent))
    func s3Credentials() throws { try expectRefused(.s3) }

    private func expectRefused(_ kind: RemoteKind) throws {
        var remote = try TestRemote(kind)
        let wrong = try Rclone().obscure("meow")
        remote.location.options[kind == .s3 ? "secret_access_key" : "pass"] = wrong
        let outgoing = try Self.one()
        for program in ["rclone"] + [PythonPrograms.rclone].compactMap(\.self) {
            let access = try remote.access(Rclone(program: program))
            #expect(try push(access, outgoing) == .credentials, "\(program)")
            let error = #expect(throws: OffsiteError.self) {
                try access.list(hash: nil) { _ in }
            }
            #expect(error?.code == .credentials, "\(program): \(error as Any)")
        }
    }

    @Test("does not answer", arguments: [RemoteKind.sftp, .s3]) func unreachable(kind: RemoteKind)
        throws
    {
        var remote = try TestRemote(.folder)
        let port = try Server.freePort()
        remote.location = RemoteLocation(
            options: [
                "type": kind == .s3 ? "s3" : "sftp", "provider": "Other",
                "endpoint": "http://127.0.0.1:\(port)", "access_key_id": "a",
                "secret_access_key": "b", "host": "127.0.0.1", "port": "\(port)", "user": "u",
                "pass": try Rclone().obscure("p"),
            ], path: "bucket/images")
        let error = try push(remote.access(), Self.one())
        #expect(error == .unreachable && error?.isWorthRetrying == true)
    }

    @Test("that accepts connections and then says nothing is given up") func silent() throws {
        let (socket, port) = try Server.silent()
        defer { withExtendedLifetime(socket) {} }
        var remote = try TestRemote(.folder)
        remote.location = RemoteLocation(
            options: ["type": "webdav", "url": "http://127.0.0.1:\(port)", "vendor": "other"],
            path: "images")
        var rclone = Rclone()
        rclone.patience.silence = 2_500_000_000
        let access = try remote.access(rclone)
        #expect(try push(access, Self.one()) == .timedOut)
        let error = #expect(throws: OffsiteError.self) { try access.list(hash: nil) { _ in } }
        #expect(error?.code == .timedOut)
    }

    @Test("is full, and catches up when it is not", .enabled(if: SmallDisk.isPossible))
    func full() throws {
        var remote = try TestRemote(.folder)
        let place = remote.folder.path("small")
        mkdir(place, 0o700)
        let disk = try SmallDisk(at: place, bytes: 1 << 20)
        remote.location = RemoteLocation(folder: place + "/images")
        let access = try remote.access()
        try remote.folder.write([UInt8](repeating: 0, count: 700_000), to: "small/other")
        var outgoing = try Outgoing()
        try outgoing.addBlob(Outgoing.random(600_000, seed: 1))
        #expect(try push(access, outgoing, .sha256) == .noSpace)
        #expect(unlink(place + "/other") == 0)
        // What 1.60 has left would be refused otherwise.
        var report = try access.push(outgoing.objects, from: outgoing.root, hash: .sha256)
        if report.problems[outgoing.objects[0].name]?.code == .modified {
            #expect(try access.removeRemains(of: outgoing.objects[0]))
            report = try access.push(outgoing.objects, from: outgoing.root, hash: .sha256)
        }
        #expect(report.pins.count == 1 && report.problems.isEmpty)
        disk.unplug()
    }

    @Test("has other keys") func keys() throws {
        let remote = try TestRemote(.folder)
        let outgoing = try Outgoing.usual()
        let access = try remote.access(keys: .generated())
        _ = try access.push(outgoing.objects, from: outgoing.root, hash: .sha256)
        let other = try remote.access(keys: .generated())
        let error = #expect(throws: OffsiteError.self) {
            try other.fetch(outgoing.places[0]) { _ in }
        }
        // Names are encrypted too: under these keys there is nothing.
        #expect(error?.code == .notFound)
    }

    @Test("needs a program that is there") func program() throws {
        let error = #expect(throws: OffsiteError.self) {
            try Rclone(program: "/nonexistent/rclone").version()
        }
        #expect(error?.code == .noRclone && error?.remedy.contains("apt-get") == true)
        let other = #expect(throws: OffsiteError.self) { try Rclone(program: "echo").version() }
        #expect(other?.code == .badAnswer)
        #expect(try Rclone().version() >= .oldest)
    }

    @Test("is known to rclone, or not", arguments: ["rclone", PythonPrograms.rclone ?? "rclone"])
    func sections(program: String) throws {
        let folder = try TemporaryFolder()
        try folder.write(
            """
            [nas]
            type = webdav
            url = https://nas.example
            pass = abc

            [secret]
            type = crypt
            remote = nas:images
            """.utf8, to: "rclone.conf")
        let rclone = Rclone(
            program: program,
            environment: [
                "PATH": "/usr/bin:/bin", "HOME": folder.path,
                "RCLONE_CONFIG": folder.path("rclone.conf"),
            ])
        #expect(
            try rclone.location(of: "nas:images/")
                == RemoteLocation(
                    options: ["type": "webdav", "url": "https://nas.example", "pass": "abc"],
                    path: "images"))
        #expect(try rclone.location(of: "/mnt/nas").type == "local")
        for text in ["none:images", "secret:images", "images", ":webdav,url=x"] {
            let error = #expect(throws: OffsiteError.self) { try rclone.location(of: text) }
            #expect(error?.code == .configuration, "\(text)")
        }
    }
}
