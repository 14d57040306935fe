import Foundation
import Storage
import System

/// What became of attempts to destroy objects that were made for that.
public struct WipeOutcome: Hashable, Sendable {
    public enum Fate: String, Hashable, Sendable {
        /// The server did not do it.
        case refused
        /// The server did it, and keeps what was there; that could not be destroyed either.
        case hidden
        /// It is gone.
        case done
    }

    public var overwrite: Fate
    public var delete: Fate
    /// What the keys can do about a lock; `nil` where objects are not locked.
    public var shorten: Fate?
}

/// A date before which the server lets nobody delete an object.
public struct ObjectLock: Hashable, Sendable {
    /// RFC 3339, in seconds: `2036-11-28T00:00:00Z`.
    let until: String

    public init(until time: Timestamp) { until = "\("\(time)".prefix(19))Z" }

    /// Whether a remote of this kind, with this rclone, can have locks at all.
    public static func isPossible(_ location: RemoteLocation, _ version: RcloneVersion) -> Bool {
        location.options["type"] == "s3" && version >= .withObjectLock
    }

    /// See: https://rclone.org/s3, "--s3-object-lock-mode". Governance: an owner of the account can
    /// still end it.
    var arguments: [String] {
        [
            "--s3-object-lock-mode", "GOVERNANCE", "--s3-object-lock-retain-until-date", until,
        ]
    }
}

extension RemoteAccess {
    /// Tries, with all that the keys of this machine allow, to overwrite and to delete objects that
    /// are made for that, old versions included; and, where there are locks, to get around one.
    ///
    /// - Parameter lock: A short one, for a remote whose objects are locked; `nil` for others.
    /// - Throws: Why nobody can tell. A server that does not answer has refused nothing.
    public func testWipe(lock: ObjectLock?) throws(OffsiteError) -> WipeOutcome {
        let name = "\(OffsiteLayout.canaries)/\(UUID().uuidString.lowercased())"
        let first = try makeCanary(name + "-1", lock)
        try attempt(["rcat", base(name + "-1")], input: Array("overwritten".utf8))
        let overwrite = try fate(of: name + "-1", first, bypassing: false)
        let second = try makeCanary(name + "-2", lock)
        try attempt(["deletefile", base(name + "-2")])
        let delete = try fate(of: name + "-2", second, bypassing: false)
        var shorten: WipeOutcome.Fate?
        if lock != nil {
            let third = try makeCanary(name + "-3", lock)
            try attempt(["deletefile", base(name + "-3")])
            shorten = try fate(of: name + "-3", third, bypassing: true)
            // What the server still has was not given up.
            if shorten == .hidden { shorten = .refused }
        }
        return WipeOutcome(overwrite: overwrite, delete: delete, shorten: shorten)
    }

    private func makeCanary(_ name: String, _ lock: ObjectLock?) throws(OffsiteError) -> [UInt8] {
        let bytes = Array("canary \(UUID().uuidString)".utf8)
        let result = try run(
            ["rcat", base(name), "--log-level", "NOTICE"] + (lock?.arguments ?? []), input: bytes,
            "A canary cannot be written")
        try result.check()
        guard try content(of: name) == bytes else {
            throw OffsiteError(
                .badAnswer, "The remote does not give back a canary", path: name,
                remedy: "See the log.")
        }
        return bytes
    }

    /// Does something that should fail. A server that does not answer is no refusal.
    ///
    /// - Returns: Whether it was done.
    @discardableResult
    private func attempt(
        _ arguments: [String], input: [UInt8] = []
    ) throws(OffsiteError) -> Bool {
        let result = try run(
            arguments + ["--log-level", "NOTICE"], input: input, "A canary cannot be touched")
        if result.succeeded { return true }
        switch result.error.code {
        case .unreachable, .timedOut, .stopped, .noRclone: throw result.error
        default: return false
        }
    }

    /// The bytes of an object as the server has it; `nil` when it is not there.
    private func content(of name: String, _ flags: [String] = []) throws(OffsiteError) -> [UInt8]? {
        var bytes: [UInt8] = []
        let result = try run(
            ["cat", base(name), "--log-level", "NOTICE"] + flags, "A canary cannot be read",
            output: { bytes.append(contentsOf: $0) })
        if result.succeeded { return bytes.isEmpty ? nil : bytes }
        if result.error.code == .notFound { return nil }
        throw result.error
    }

    private func fate(
        of name: String, _ bytes: [UInt8], bypassing: Bool
    ) throws(OffsiteError) -> WipeOutcome.Fate {
        if try content(of: name) == bytes { return .refused }
        guard let flag = Self.versionFlags[configuration.location.options["type"] ?? ""] else {
            return .done
        }
        let bypass = bypassing ? ["--s3-bypass-governance-retention"] : []
        for version in try versions(of: name, flag) {
            try attempt(["deletefile", base(version), flag] + bypass)
        }
        for version in try versions(of: name, flag) where try content(of: version, [flag]) == bytes
        {
            return .hidden
        }
        return .done
    }

    /// Options that show what was deleted or overwritten, by the kind of remote.
    private static let versionFlags = ["s3": "--s3-versions", "b2": "--b2-versions"]

    /// Names of the old versions of an object: `NAME-v2026-11-28-120000-000`.
    private func versions(of name: String, _ flag: String) throws(OffsiteError) -> [String] {
        var output: [UInt8] = []
        try run(
            ["lsf", base(OffsiteLayout.canaries), flag, "--log-level", "NOTICE"],
            "Versions cannot be listed", output: { output.append(contentsOf: $0) }
        ).check()
        return String(decoding: output, as: UTF8.self).split(separator: "\n")
            .map { "\(OffsiteLayout.canaries)/\($0)" }.filter { $0.hasPrefix(name + "-v") }
    }
}
