import Foundation
import Storage
import System

extension RemoteAccess {
    /// Looks whose a remote is. An encrypted one whose keys are wrong looks empty to rclone, so
    /// that nothing must be written to a remote, and nothing restored, before this was asked.
    ///
    /// - Throws: `wrongKeys` when something is there that these keys do not show; `configuration`
    ///   when a newer pacsfs wrote it, or it is not pacsfs's; why it cannot be looked at.
    public func contents() throws(OffsiteError) -> RemoteContents {
        var bytes: [UInt8] = []
        do throws(OffsiteError) {
            try fetch(OffsiteLayout.marker) { bytes.append(contentsOf: $0) }
        } catch {
            guard error.code == .notFound else { throw error }
            try checkEmpty()
            return .empty
        }
        guard let marker = OffsiteMarker(bytes) else {
            throw OffsiteError(
                .configuration, "The remote has a marker that is not understood",
                path: OffsiteLayout.marker, remedy: "Look at that file on the remote.")
        }
        guard marker.format <= OffsiteMarker.currentFormat else {
            throw OffsiteError(
                .configuration, "A newer pacsfs wrote the remote", path: OffsiteLayout.marker,
                remedy: "Update pacsfs.")
        }
        return .archive(marker)
    }

    private func checkEmpty() throws(OffsiteError) {
        var output: [UInt8] = []
        let result = try run(
            ["lsf", base(), "--max-depth", "1", "--log-level", "NOTICE"],
            "The remote cannot be looked at", output: { output.append(contentsOf: $0) })
        do throws(OffsiteError) {
            try result.check()
        } catch {
            // Kinds with real folders say so of a remote that was never written to.
            if error.code == .notFound { return }
            throw error
        }
        let names = String(decoding: output, as: UTF8.self).split(separator: "\n")
            .filter { $0 != OffsiteLayout.readme }
        guard let first = names.first else { return }
        if configuration.isEncrypted {
            throw OffsiteError(
                .wrongKeys, "The remote is not empty, and these keys show nothing of it",
                path: String(first),
                remedy: "Type the keys of the recovery sheet again; for a new archive, name a "
                    + "folder of the remote that is empty.")
        }
        throw OffsiteError(
            .configuration, "The remote is not empty, and has no marker of an archive",
            path: String(first), remedy: "Name a folder of the remote that is empty.")
    }

    /// Makes an empty remote one of an archive, or finds that it is one already.
    ///
    /// - Parameter lock: What the server is asked to keep the marker for: nothing can be restored
    ///   without it.
    /// - Returns: The marker that is there.
    /// - Throws: `configuration` when it belongs to another archive, and as ``contents()``.
    public func claim(
        for archive: String, at time: Timestamp, lock: ObjectLock? = nil
    ) throws(OffsiteError) -> OffsiteMarker {
        if case .archive(let marker) = try contents() {
            guard marker.archive == archive else {
                throw OffsiteError(
                    .configuration, "The remote belongs to another archive", path: marker.archive,
                    remedy: "Name another folder of it.")
            }
            return marker
        }
        let marker = OffsiteMarker(archive: archive, created: time)
        let kind = try hashKind()
        try put(marker.encoded, to: OffsiteLayout.marker, hash: kind, lock: lock)
        var open = configuration
        open.keys = nil
        // People read it before they have rclone and the keys.
        try RemoteAccess(open, rclone).put(
            Array(OffsiteReadme.text(isEncrypted: configuration.isEncrypted).utf8),
            to: OffsiteLayout.readme, hash: kind, lock: lock)
        guard case .archive(let found) = try contents(), found == marker else {
            throw OffsiteError(
                .badAnswer, "The remote does not give back what was written to it",
                path: OffsiteLayout.marker, remedy: "See the log.")
        }
        return marker
    }

    /// Writes a small object.
    ///
    /// - Throws: Why it is not proven to be there.
    @discardableResult
    public func put(
        _ bytes: [UInt8], to object: String, hash kind: HashKind?, lock: ObjectLock? = nil
    ) throws(OffsiteError) -> Pin {
        let folder = try TemporaryFiles()
        try folder.write(bytes, to: object)
        let report = try push(
            [OutgoingObject(name: object, bytes: Int64(bytes.count))], from: folder.path,
            hash: kind, lock: lock)
        if let pin = report.pins[object] { return pin }
        throw report.problems[object]
            ?? OffsiteError(
                .other, "An object did not get there", path: object,
                remedy: "Run it again; the log may say more.")
    }
}

/// A folder for files that are to go away at once; removed with its content.
final class TemporaryFiles {
    let path: String

    /// - Throws: `local`.
    init() throws(OffsiteError) {
        let root = ProcessInfo.processInfo.environment["TMPDIR"] ?? "/tmp"
        var name = Array("\(root)/pacsfs-offsite-XXXXXX".utf8CString)
        guard mkdtemp(&name) != nil else {
            throw OffsiteError(
                .local, "A temporary folder cannot be made", path: root,
                remedy: "Make room in \(root).", cause: Errno.last)
        }
        path = name.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// - Throws: `local`.
    func write(_ bytes: [UInt8], to name: String) throws(OffsiteError) {
        let file = URL(filePath: path + "/" + name)
        do {
            try FileManager.default.createDirectory(
                at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(bytes).write(to: file)
        } catch {
            throw OffsiteError(
                .local, "A temporary file cannot be written", path: file.path,
                remedy: "Make room in \(path).", cause: error)
        }
    }

    /// The files in a folder of it, with all folders below, and their sizes.
    ///
    /// - Throws: `local`.
    func files(in folder: String) throws(OffsiteError) -> [(name: String, bytes: Int64)] {
        let root = path + "/" + folder
        do {
            return try FileManager.default.subpathsOfDirectory(atPath: root).compactMap { name in
                let facts = try FileManager.default.attributesOfItem(atPath: root + "/" + name)
                guard facts[.type] as? FileAttributeType == .typeRegular,
                    let bytes = facts[.size] as? NSNumber
                else { return nil }
                return (name, bytes.int64Value)
            }
        } catch {
            throw OffsiteError(
                .local, "A temporary folder cannot be read", path: root, remedy: "See the log.",
                cause: error)
        }
    }
}
