import Foundation
import System

/// What a server that keeps versions has, besides what is there now: objects that somebody has
/// changed or deleted since.
public struct RemoteVersions: Hashable, Sendable {
    /// By the name of the object on the server, the oldest first: the names by which rclone reads
    /// them. Objects that are as they were written are left out.
    let names: [String: [String]]

    /// Nothing but what is there now.
    public static let none = RemoteVersions([])

    /// How many versions of an object are looked at: what is written once has one, and a second
    /// where it was brought there again.
    public static let most = 4

    /// `NAME-v2026-11-28-120000-000.tar`, as rclone shows a version that is not there now.
    ///
    /// See: https://rclone.org/s3/#versions
    private static func original(of name: String) -> String? {
        let file = name[
            (name.lastIndex(of: "/").map { name.index(after: $0) } ?? name.startIndex)...]
        let dot = file.lastIndex(of: ".") ?? name.endIndex
        let end = name[..<dot].suffix(23)
        guard end.wholeMatch(of: /-v\d{4}-\d\d-\d\d-\d{6}-\d{3}/) != nil else { return nil }
        return String(name[..<end.startIndex] + name[dot...])
    }

    /// - Parameter listed: All versions of all objects, with and without such an end.
    init(_ listed: [String]) {
        var names: [String: [String]] = [:]
        for name in listed {
            if let original = Self.original(of: name) { names[original, default: []].append(name) }
        }
        // What is there now is the newest.
        for name in listed where names[name] != nil { names[name]?.append(name) }
        self.names = names.mapValues { list in
            list.count < 2 ? list : list.dropLast().sorted() + list.suffix(1)
        }
    }
}

extension RemoteAccess {
    /// Lists all versions of everything.
    ///
    /// - Throws: `notFound` when this kind of remote keeps none; why they cannot be listed.
    public func versions() throws(OffsiteError) -> RemoteVersions {
        var names: [String] = []
        var listing = RemoteListing()
        let result = try run(
            [
                "lsjson", "-R", base(), "--files-only", "--fast-list", "--no-modtime",
                "--no-mimetype", "--log-level", "NOTICE",
            ] + Self.versionFlag(configuration),
            "Versions cannot be listed",
            output: { (bytes) throws(OffsiteError) in
                try listing.take(bytes) { names.append($0.name) }
            })
        try result.check()
        try listing.finish()
        return RemoteVersions(names)
    }

    private static func versionFlag(
        _ configuration: RemoteConfiguration
    ) throws(OffsiteError) -> [String] {
        switch configuration.location.options["type"] {
        case "s3": return ["--s3-versions"]
        case "b2": return ["--b2-versions"]
        default:
            throw OffsiteError(
                .notFound, "This kind of remote keeps no versions", path: configuration.name,
                remedy: "It may have been deleted there.")
        }
    }

    /// Brings older versions of objects to a folder of this machine, in the place of what is there.
    /// Their bytes are not proven.
    ///
    /// - Parameters:
    ///   - number: Which of an object's versions, the oldest being 0.
    ///   - objects: Plain names.
    ///   - versions: What there is.
    ///   - folder: Where they get the same paths.
    ///   - isWanted: Asked every second; when they are not wanted any more, the transfer ends.
    /// - Returns: Those that came.
    /// - Throws: Why nothing came.
    public func bring(
        version number: Int, of objects: [String], in versions: RemoteVersions, to folder: String,
        isWanted: @escaping () -> Bool = { true }
    ) throws(OffsiteError) -> Set<String> {
        if versions.names.isEmpty || objects.isEmpty { return [] }
        let serverNames = try serverNames(of: objects)
        var wanted: [(object: String, serverName: String, version: String)] = []
        for object in objects {
            guard let serverName = serverNames[object], let known = versions.names[serverName],
                known.indices.contains(number)
            else { continue }
            // What does not come must not look as if it had.
            unlink("\(folder)/\(object)")
            wanted.append((object, serverName, known[number]))
        }
        try bring(wanted.map { ($0.serverName, $0.version) }, to: folder, isWanted)
        return Set(wanted.map(\.object).filter { access("\(folder)/\($0)", F_OK) == 0 })
    }

    /// Brings, of everything below a folder of the remote that was changed or deleted, the first
    /// version to a folder of this machine, in the place of what is there.
    ///
    /// - Returns: Whether there was any.
    /// - Throws: Why not everything came.
    public func bringFirstVersions(
        below name: String, in versions: RemoteVersions, to folder: String
    ) throws(OffsiteError) -> Bool {
        if versions.names.isEmpty { return false }
        guard let serverName = try serverNames(of: [name])[name] else { return false }
        let wanted = versions.names.filter { $0.key.hasPrefix(serverName + "/") }
            .compactMap { entry in entry.value.first.map { (entry.key, $0) } }
        try bring(wanted, to: folder, { true })
        return !wanted.isEmpty
    }

    /// The marker of the remote as it was first, when somebody has changed or deleted it since.
    ///
    /// - Throws: Why it cannot be fetched.
    public func firstMarker(in versions: RemoteVersions) throws(OffsiteError) -> OffsiteMarker? {
        let folder = try TemporaryFiles()
        let marker = OffsiteLayout.marker
        for number in 0..<RemoteVersions.most {
            guard
                try bring(version: number, of: [marker], in: versions, to: folder.path)
                    .contains(marker)
            else { continue }
            if let content = try? RegularFile.content(of: "\(folder.path)/\(marker)"),
                let marker = OffsiteMarker(content),
                marker.format <= OffsiteMarker.currentFormat
            {
                return marker
            }
        }
        return nil
    }

    /// rclone shows versions of an encrypted remote as the server has them only: they are decrypted
    /// here.
    private func bring(
        _ versions: [(serverName: String, version: String)], to folder: String,
        _ isWanted: @escaping () -> Bool
    ) throws(OffsiteError) {
        if versions.isEmpty { return }
        // On the disk of the target.
        let scratch = "\(folder)/versions-\(UUID().uuidString.lowercased())"
        defer { try? FileManager.default.removeItem(atPath: scratch) }
        // 1.60 finds versions by a filter only. It reads just the folders that are named.
        let list = versions.map { "/\($0.version)" }
        let result = try run(
            [
                "copy", base(), "\(scratch)/versions", "--include-from", "-", "--ignore-times",
                "--transfers", "4", "--checkers", "4", "--buffer-size", "0", "--stats", "1s",
                "--stats-log-level", "INFO", "--log-level", "INFO",
            ] + Self.versionFlag(configuration), input: Self.list(list),
            "Versions cannot be fetched", isWanted: isWanted)
        try result.check()
        let target = configuration.isEncrypted ? "\(scratch)/sealed" : folder
        for (serverName, version) in versions {
            let source = "\(scratch)/versions/\(version)"
            guard access(source, F_OK) == 0 else { continue }
            try Self.move(source, to: "\(target)/\(serverName)")
        }
        guard configuration.isEncrypted else { return }
        // Those that are not encrypted with these keys stay behind.
        _ = try run(
            [
                "copy", "sealed:", folder, "--ignore-times", "--stats", "1s", "--stats-log-level",
                "INFO", "--log-level", "INFO",
            ], "Versions cannot be decrypted", isWanted: isWanted,
            environment: environment.sealing("\(scratch)/sealed"))
    }

    private static func move(_ source: String, to target: String) throws(OffsiteError) {
        do {
            try FileManager.default.createDirectory(
                atPath: (target as NSString).deletingLastPathComponent,
                withIntermediateDirectories: true)
            guard rename(source, target) == 0 else { throw Errno.last }
        } catch {
            throw OffsiteError(
                .local, "A version of an object cannot be kept", path: target,
                remedy: "Make room there.", cause: error)
        }
    }
}
