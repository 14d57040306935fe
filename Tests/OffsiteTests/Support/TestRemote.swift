import Foundation
import Glibc
import System
import TestSupport
import Testing

@testable import Offsite

/// The kinds of remote that tests run against, each a real server.
enum RemoteKind: String, CaseIterable, CustomTestStringConvertible {
    case folder, sftp, webdav, s3

    var testDescription: String { rawValue }

    /// Those that need nothing but rclone.
    static let withoutS3 = allCases.filter { $0 != .s3 }

    /// The hash that its server has.
    var hash: HashKind? {
        switch self {
        case .folder: .sha256
        case .sftp: .sha1
        case .webdav: nil
        case .s3: .md5
        }
    }
}

/// A remote of one test, on a server of its own.
struct TestRemote {
    let kind: RemoteKind
    let folder: TemporaryFolder
    let server: Server?
    var location: RemoteLocation

    static let user = "practice"
    static let password = "woof-woof"

    init(_ kind: RemoteKind) throws {
        self.kind = kind
        folder = try TemporaryFolder()
        let place = folder.path("remote")
        mkdir(place, 0o700)
        switch kind {
        case .folder:
            server = nil
            location = RemoteLocation(folder: place + "/images")
        case .sftp:
            let port = try Server.freePort()
            server = try Server(
                Self.rcloneServer("sftp", place, port) + ["--cache-dir", folder.path("cache")],
                port: port)
            location = RemoteLocation(
                options: [
                    "type": "sftp", "host": "127.0.0.1", "port": "\(port)", "user": Self.user,
                    "pass": try Self.obscured(Self.password),
                ], path: "images")
        case .webdav:
            let port = try Server.freePort()
            server = try Server(Self.rcloneServer("webdav", place, port), port: port)
            location = RemoteLocation(
                options: [
                    "type": "webdav", "url": "http://127.0.0.1:\(port)", "vendor": "other",
                    "user": Self.user, "pass": try Self.obscured(Self.password),
                ], path: "images")
        case .s3:
            let (server, port) = try Self.weed(folder)
            self.server = server
            location = RemoteLocation(
                options: [
                    "type": "s3", "provider": "Other", "endpoint": "http://127.0.0.1:\(port)",
                    "access_key_id": Self.user, "secret_access_key": Self.password,
                    "force_path_style": "true",
                ], path: "archive/images")
            // It listens before all of its parts do.
            let access = try access()
            guard try eventually({ try access.run(["mkdir", access.base()], "").succeeded }) else {
                throw ProgramError(description: "SeaweedFS does not become ready")
            }
        }
    }

    private static func rcloneServer(_ kind: String, _ place: String, _ port: Int) -> [String] {
        [
            "rclone", "serve", kind, place, "--addr", "127.0.0.1:\(port)", "--user", user, "--pass",
            password,
        ]
    }

    private static func obscured(_ password: String) throws -> String {
        let run = try ProgramRun(["rclone", "obscure", password])
        guard run.succeeded else { throw ProgramError(description: run.report) }
        return String(run.output.dropLast())
    }

    private static func weed(_ folder: TemporaryFolder) throws -> (Server, port: Int) {
        try folder.write(
            """
            {"identities":[{"name":"\(user)","credentials":[{"accessKey":"\(user)",\
            "secretKey":"\(password)"}],"actions":["Admin","Read","Write","List","Tagging"]}]}
            """.utf8, to: "s3.json")
        mkdir(folder.path("weed"), 0o700)
        var ports: Set<Int> = []
        while ports.count < 4 { ports.insert(try Server.freeWeedPort()) }
        let (master, volume, filer, s3) = (
            ports.removeFirst(), ports.removeFirst(), ports.removeFirst(), ports.removeFirst()
        )
        let server = try Server(
            [
                PythonPrograms.weed ?? "weed", "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
                "-dir=\(folder.path("weed"))", "-master.volumeSizeLimitMB=64", "-volume.max=10",
                "-master.port=\(master)", "-volume.port=\(volume)", "-filer",
                "-filer.port=\(filer)", "-s3", "-s3.port=\(s3)",
                "-s3.config=\(folder.path("s3.json"))",
            ], port: s3)
        return (server, s3)
    }

    /// Ready to be used.
    func access(
        keys: CryptKeys? = nil, bandwidth: Int64? = nil, _ rclone: Rclone = Rclone()
    ) throws -> RemoteAccess {
        try RemoteAccess(
            RemoteConfiguration(
                name: "test", location: location, keys: keys, bandwidth: bandwidth), rclone)
    }
}
