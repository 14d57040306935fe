import Foundation
import Glibc
import System
import TestSupport

import Offsite

/// A SeaweedFS that speaks S3. All tests that run at the same time share one; it ends with the last
/// of them.
public final class SeaweedFS: Sendable {
    public let server: Server
    private let folder: TemporaryFolder

    private struct Current {
        weak var server: SeaweedFS?
    }

    private static let current = Lock(Current())

    /// The one that runs, or a new one.
    ///
    /// - Throws: ``ProgramError`` when it does not become ready.
    public static func running() throws -> SeaweedFS {
        try current.withLock { current in
            if let server = current.server { return server }
            let server = try SeaweedFS()
            current.server = server
            return server
        }
    }

    private init() throws {
        folder = try TemporaryFolder()
        try folder.write(
            """
            {"identities":[{"name":"practice","credentials":[{"accessKey":"\(TestRemote.user)",\
            "secretKey":"\(TestRemote.password)"}],\
            "actions":["Admin","Read","Write","List","Tagging"]},\
            {"name":"machine","credentials":[{"accessKey":"\(TestRemote.machine)",\
            "secretKey":"\(TestRemote.password)"}],\
            "actions":["Read","Write","List","Tagging","GetObjectRetention",\
            "PutObjectRetention"]}]}
            """.utf8, to: "s3.json")
        mkdir(folder.path("data"), 0o700)
        var ports: [Int] = []
        while ports.count < 4 {
            let port = try Server.freeWeedPort()
            if !ports.contains(port) { ports.append(port) }
        }
        server = try Server(
            [
                PythonPrograms.weed ?? "weed", "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
                "-dir=\(folder.path("data"))", "-master.volumeSizeLimitMB=64", "-volume.max=1000",
                "-master.port=\(ports[0])", "-volume.port=\(ports[1])", "-filer",
                "-filer.port=\(ports[2])", "-s3", "-s3.port=\(ports[3])",
                "-s3.config=\(folder.path("s3.json"))",
                // Fixed ports, which allow one on a machine; and a report to its makers.
                "-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false",
            ], port: ports[3])
        // It listens before all of its parts do.
        let access = try RemoteAccess(
            RemoteConfiguration(name: "first", location: location(bucket: "first")), Rclone())
        let object = try folder.write([1], to: "object")
        let isReady = try eventually {
            try access.run(["copyto", object, access.base("object")], "").succeeded
        }
        guard isReady else {
            server.stop()
            throw ProgramError(description: "SeaweedFS does not become ready: \(server.words)")
        }
    }

    /// A new bucket whose objects can be locked.
    ///
    /// - Throws: ``ProgramError`` when it cannot be made.
    public func lockedBucket() throws -> RemoteLocation {
        let bucket = "locked-\(UInt32.random(in: 0 ... .max))"
        var location = location(bucket: bucket)
        location.options["bucket_object_lock_enabled"] = "true"
        let access = try RemoteAccess(
            RemoteConfiguration(name: "lock", location: location),
            Rclone(program: PythonPrograms.rclone))
        _ = try access.rclone(["mkdir", "base:\(bucket)"])
        return location
    }

    public func location(bucket: String) -> RemoteLocation {
        RemoteLocation(
            options: [
                "type": "s3", "provider": "Other", "endpoint": "http://127.0.0.1:\(server.port)",
                "access_key_id": TestRemote.user, "secret_access_key": TestRemote.password,
                "force_path_style": "true",
            ], path: "\(bucket)/images")
    }
}
