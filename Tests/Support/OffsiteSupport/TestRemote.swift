import Foundation
import Glibc
import System
import TestSupport
import Testing

import Offsite

/// The kinds of remote that tests run against, each a real server.
public enum RemoteKind: String, CaseIterable, Sendable, CustomTestStringConvertible {
    case folder, sftp, webdav, s3
    /// SFTP by OpenSSH, with a key, and a shell that hashes.
    case sshd

    public var testDescription: String { rawValue }

    /// Those that need nothing but rclone.
    public static let withoutS3: [RemoteKind] = [.folder, .sftp, .webdav]

    /// The hash that its server has.
    public var hash: HashKind? {
        switch self {
        case .folder: .sha256
        case .sftp, .sshd: .sha1
        case .webdav: nil
        case .s3: .md5
        }
    }
}

/// A remote of one test, on a server of its own.
public struct TestRemote {
    public let kind: RemoteKind
    public let folder: TemporaryFolder
    private let server: Running
    /// Starts the server, which serves what is there.
    private let serve: @Sendable () throws -> (any Sendable)?
    public var location: RemoteLocation

    public static let user = "practice"
    public static let password = "woof-woof"
    /// Another user of S3, who may not end a lock.
    public static let machine = "machine"

    /// - Parameter isLocked: Whether the server can lock objects; only S3.
    public init(_ kind: RemoteKind, isLocked: Bool = false) throws {
        self.kind = kind
        folder = try TemporaryFolder()
        let place = folder.path("remote")
        mkdir(place, 0o700)
        switch kind {
        case .folder:
            serve = { nil }
            location = RemoteLocation(folder: place + "/images")
        case .sftp:
            let port = try Server.freePort()
            let cache = folder.path("cache")
            serve = {
                try Server(
                    Self.rcloneServer("sftp", place, port) + ["--cache-dir", cache], port: port)
            }
            location = RemoteLocation(
                options: [
                    "type": "sftp", "host": "127.0.0.1", "port": "\(port)", "user": Self.user,
                    "pass": try Self.obscured(Self.password),
                ], path: "images")
        case .sshd:
            let server = try OpenSSH(in: folder)
            serve = { try Server(server.arguments, port: server.port) }
            location = RemoteLocation(options: server.options, path: place + "/images")
        case .webdav:
            let port = try Server.freePort()
            serve = { try Server(Self.rcloneServer("webdav", place, port), port: port) }
            location = RemoteLocation(
                options: [
                    "type": "webdav", "url": "http://127.0.0.1:\(port)", "vendor": "other",
                    "user": Self.user, "pass": try Self.obscured(Self.password),
                ], path: "images")
        case .s3:
            let server = try SeaweedFS.running()
            serve = { server }
            location =
                isLocked
                ? try server.lockedBucket()
                : server.location(bucket: "archive-\(UInt32.random(in: 0 ... .max))")
        }
        server = Running(try serve())
    }

    /// The server that serves it now.
    private final class Running: Sendable {
        let current: Lock<(any Sendable)?>

        init(_ server: (any Sendable)?) { current = Lock(server) }
    }

    /// Ends the server in the middle of what it does.
    public func cut() { (server.current.withLock { $0 } as? Server)?.stop() }

    /// Starts it again.
    ///
    /// - Throws: ``ProgramError`` when it does not become ready.
    public func reconnect() throws {
        let new = try serve()
        server.current.withLock { $0 = new }
    }

    private static func rcloneServer(_ kind: String, _ place: String, _ port: Int) -> [String] {
        [
            "rclone", "serve", kind, place, "--addr", "127.0.0.1:\(port)", "--user", user, "--pass",
            password,
        ]
    }

    public static func obscured(_ password: String) throws -> String {
        let run = try ProgramRun(["rclone", "obscure", password])
        guard run.succeeded else { throw ProgramError(description: run.report) }
        return String(run.output.dropLast())
    }

    /// Ready to be used.
    public func access(
        keys: CryptKeys? = nil, bandwidth: Int64? = nil, _ rclone: Rclone = Rclone()
    ) throws -> RemoteAccess {
        try RemoteAccess(
            RemoteConfiguration(
                name: "test", location: location, keys: keys, bandwidth: bandwidth), rclone)
    }
}
