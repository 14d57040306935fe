import Foundation
import System

extension RemoteAccess {
    /// Brings objects to a folder of this machine. Their bytes are not proven.
    ///
    /// - Parameters:
    ///   - objects: Plain names. At most ``mostObjects``.
    ///   - folder: Where they get the same paths.
    ///   - isWanted: Asked every second; when they are not wanted any more, the transfer ends.
    /// - Returns: Why an object did not come, by its name.
    /// - Throws: Why nothing came.
    public func bring(
        _ objects: [String], to folder: String, isWanted: @escaping () -> Bool = { true }
    ) throws(OffsiteError) -> [String: OffsiteError] {
        // An empty list would be no list at all, and everything would come.
        if objects.isEmpty { return [:] }
        let result = try copy(
            from: plain(), to: folder, ["--files-from-raw", "-", "--no-traverse"],
            Self.list(objects), "Objects cannot be fetched", isWanted)
        var problems: [String: OffsiteError] = [:]
        for object in objects {
            if let message = result.failures[object] {
                problems[object] = RcloneFailure.error(
                    "An object cannot be fetched", object: object, said: message)
            } else if access("\(folder)/\(object)", F_OK) != 0 {
                // rclone says nothing of a listed object that is not there.
                problems[object] = OffsiteError(
                    .notFound, "An object is not on the remote", path: object,
                    remedy: "It may have been deleted there.")
            }
        }
        // When nothing came the reason is the same for all.
        if !result.succeeded, problems.count == objects.count, result.failures.isEmpty {
            throw result.error
        }
        return problems
    }

    /// Brings everything below a folder of the remote to a folder of this machine. Their bytes are
    /// not proven. A folder that is not there is like an empty one: ask ``contents()`` before.
    ///
    /// - Parameters:
    ///   - name: Its plain name, and its path below `folder`.
    ///   - isWanted: Asked every second; when it says no, an error is thrown.
    ///   - progress: Called about every second.
    /// - Throws: Why not everything came.
    public func bring(
        folder name: String, to folder: String, isWanted: @escaping () -> Bool = { true },
        progress: (TransferProgress) -> Void = { _ in }
    ) throws(OffsiteError) {
        let result = try copy(
            from: plain(name), to: "\(folder)/\(name)", [], [], "A folder cannot be fetched",
            isWanted, progress)
        do throws(OffsiteError) {
            try result.check()
        } catch {
            guard error.code == .notFound else { throw error }
        }
    }

    /// The plain names of the objects below a folder of the remote; none when it is not there.
    ///
    /// - Throws: Why they cannot be listed.
    public func names(below folder: String) throws(OffsiteError) -> [String] {
        var output: [UInt8] = []
        let result = try run(
            ["lsf", "-R", "--files-only", "--fast-list", plain(folder), "--log-level", "NOTICE"],
            "The remote cannot be listed", output: { output.append(contentsOf: $0) })
        do throws(OffsiteError) {
            try result.check()
        } catch {
            guard error.code == .notFound else { throw error }
        }
        return String(decoding: output, as: UTF8.self).split(separator: "\n").map {
            "\(folder)/\($0)"
        }
    }

    private func copy(
        from source: String, to folder: String, _ arguments: [String], _ input: [UInt8],
        _ what: String, _ isWanted: @escaping () -> Bool,
        _ progress: (TransferProgress) -> Void = { _ in }
    ) throws(OffsiteError) -> RcloneJob.Result {
        try run(
            [
                "copy", source, folder, "--ignore-times", "--transfers", "4", "--checkers", "4",
                "--buffer-size", "0", "--stats", "1s", "--stats-log-level", "INFO", "--log-level",
                "INFO",
            ] + arguments + limit, input: input, what, isWanted: isWanted,
            progress: progress)
    }
}
