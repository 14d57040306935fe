import Glibc
import System

extension Volume {
    /// A folder below `rejected`, and a file in it under a name that was free.
    private struct Place: ~Copyable {
        var folder: Directory
        var folderPath: String
        var name: String
        /// The same bytes lie there already.
        var isThere: Bool
        /// A reason of it lies there, which may be written over.
        var hasReason: Bool
    }

    /// Rejects a file of `staging/incoming`: moves it to `rejected/<date>/<path>` and writes the
    /// reason to `<name>.reason.txt` beside it. This is durable when the function returns. A crash
    /// leaves the file in one of the two places.
    ///
    /// If other bytes have the name, it gets a suffix from the file's SHA-256 (` ~1f3a`). A name
    /// that looks like a reason, `X.reason.txt`, becomes `X.reason (1).txt`. If the same bytes have
    /// the name already, only the reason is rewritten.
    ///
    /// - Parameters:
    ///   - incoming: The file's path below `staging/incoming`; it must not be open for writing.
    ///   - reason: One or more sentences for a person.
    ///   - time: When; its date in UTC is the name of the folder.
    /// - Returns: Its new path below the volume's folder.
    public func reject(
        incoming relativePath: String, reason: String, at time: Timestamp = .now()
    ) throws(StorageError) -> String {
        let parts = try RelativePath.components(relativePath)
        let source = try incoming.openFolder(parts.dropLast())
        let name = parts[parts.count - 1]
        let file = try source.openFile(name)
        try file.syncAll(path: source.path(of: name))
        let text = Self.text(reason)
        let place = try place(for: [time.date] + parts, contentOf: file.number, reason: text)
        try writeReason(text, in: place)
        if place.isThere {
            try source.remove(name)
        } else {
            try source.renameWithoutReplacing(name, to: place.folder, place.name)
        }
        try place.folder.sync()
        try source.sync()
        return place.folderPath + "/" + place.name
    }

    /// Sets a copy of a file aside, one that lies elsewhere: as
    /// ``reject(incoming:reason:at:)``, and the source stays.
    ///
    /// - Parameters:
    ///   - source: An open descriptor of the file.
    ///   - relativePath: The path it gets below `rejected/<date>`.
    public func reject(
        copyOf source: Int32, path relativePath: String, reason: String,
        at time: Timestamp = .now()
    ) throws(StorageError) -> String {
        let parts = try RelativePath.components(relativePath)
        let text = Self.text(reason)
        let place = try place(for: [time.date] + parts, contentOf: source, reason: text)
        try writeReason(text, in: place)
        if !place.isThere { try fill(place.folder, place.name, from: source) }
        try place.folder.sync()
        return place.folderPath + "/" + place.name
    }

    /// Copies a file durably to a name that is free. The folder is made durable by the caller.
    private func fill(
        _ folder: borrowing Directory, _ name: String, from source: Int32
    ) throws(StorageError) {
        let path = folder.path(of: name)
        let bytes = try FileFacts.of(source, path: path).bytes
        try requireRoom(for: bytes)
        let temporary = Self.rejectTemporary()
        do throws(StorageError) {
            let copy = try committing.openFile(temporary, O_RDWR | O_CREAT | O_EXCL)
            _ = try FileCopy.copy(
                from: source, to: copy, bytes: bytes, hashing: false, path: path)
            try copy.syncData(path: path)
            try committing.renameWithoutReplacing(temporary, to: folder, name)
        } catch {
            try? committing.remove(temporary)
            throw error
        }
    }

    /// Copies a rejected file of another volume here, with its reason, durably and under the same
    /// path. If other bytes have that name here, it gets a suffix as in
    /// ``reject(incoming:reason:at:)``. The source stays.
    ///
    /// - Parameter relativePath: The file's path below `rejected`, there and here.
    public func takeOverRejected(_ relativePath: String, from source: Volume) throws(StorageError) {
        let parts = try RelativePath.components(relativePath)
        let folder = try source.rejected.openFolder(parts.dropLast())
        let name = parts[parts.count - 1]
        let file = try folder.openFile(name)
        let place = try place(for: parts, contentOf: file.number, reason: nil)
        // The file first: a reason without it would not be known again after a crash.
        if !place.isThere { try fill(place.folder, place.name, from: file.number) }
        let reasonName = name + Self.reasonSuffix
        if !place.hasReason, try folder.facts(reasonName)?.isRegular == true {
            let reason = try folder.openFile(reasonName)
            try fill(place.folder, place.name + Self.reasonSuffix, from: reason.number)
        }
        try place.folder.sync()
    }

    static let reasonSuffix = ".reason.txt"

    /// The path of the file with the reason for a rejected file, beside it.
    public static func rejectionReason(of path: [UInt8]) -> [UInt8] {
        path + Array(reasonSuffix.utf8)
    }

    /// Whether a path can be that of a reason. It is one only if the rejected file is beside it:
    /// users may give their own files such names.
    public static func isRejectionReason(_ path: [UInt8]) -> Bool {
        path.suffix(reasonSuffix.utf8.count).elementsEqual(reasonSuffix.utf8)
    }

    /// The reason is written in `staging/commit` and gets its name when it is durable. Recovery
    /// removes what a crash leaves there. The caller makes the folder durable.
    private func writeReason(_ text: [UInt8], in place: borrowing Place) throws(StorageError) {
        let temporary = Self.rejectTemporary()
        let path = committing.path(of: temporary)
        do throws(StorageError) {
            let file = try committing.openFile(temporary, O_WRONLY | O_CREAT | O_EXCL)
            try file.write(text, at: 0, path: path)
            try file.syncAll(path: path)
            let name = place.name + Self.reasonSuffix
            if place.hasReason {
                try committing.rename(temporary, to: place.folder, name)
            } else {
                try committing.renameWithoutReplacing(temporary, to: place.folder, name)
            }
        } catch {
            try? committing.remove(temporary)
            throw error
        }
    }

    private static func text(_ reason: String) -> [UInt8] {
        Array((reason.hasSuffix("\n") ? reason : reason + "\n").utf8)
    }

    private static func rejectTemporary() -> String {
        "\(UInt64.random(in: .min ... .max))\(partialSuffix)"
    }

    /// Makes the folders for a rejected file and finds a name that is free or has the same bytes.
    ///
    /// - Parameter reason: The text of its reason. `nil` when it is not known; then a reason that
    ///   lies there without its file is not taken for it.
    private func place(
        for parts: [String], contentOf file: Int32, reason: [UInt8]?
    ) throws(StorageError) -> Place {
        let path = rejected.path(of: parts.joined(separator: "/"))
        let bytes = try FileFacts.of(file, path: path).bytes
        let digest = try Digest.of(descriptor: file, bytes: bytes, path: path)
        var folderPath = ""
        var folder = try rejected.openFolder([])
        for part in parts.dropLast() {
            let name = try Self.folderName(part, in: folder, digest)
            folderPath += folderPath.isEmpty ? name : "/" + name
            folder = try durableFolder(name, in: folder, folderPath)
        }
        folderPath = folderPath.isEmpty ? Name.rejected : "\(Name.rejected)/\(folderPath)"
        for name in Self.candidates(for: parts[parts.count - 1], digest) {
            let reasonFacts = try folder.facts(name + Self.reasonSuffix)
            guard let facts = try folder.facts(name) else {
                // This is a user's file, unless it has the text of our reason: then its file was
                // moved away, or was about to come when we crashed.
                if reasonFacts != nil, try !Self.isReason(folder, name + Self.reasonSuffix, reason)
                {
                    continue
                }
                return Place(
                    folder: folder, folderPath: folderPath, name: name, isThere: false,
                    hasReason: reasonFacts != nil)
            }
            guard facts.isRegular, facts.bytes == bytes else { continue }
            let other = try folder.openFile(name)
            if try other.digest(bytes: bytes, path: path) == digest {
                return Place(
                    folder: folder, folderPath: folderPath, name: name, isThere: true,
                    hasReason: reasonFacts != nil)
            }
        }
        throw Self.noName(path)
    }

    /// Whether a file is there and holds just these bytes.
    private static func isReason(
        _ folder: borrowing Directory, _ name: String, _ text: [UInt8]?
    ) throws(StorageError) -> Bool {
        guard let text, let facts = try folder.facts(name), facts.isRegular,
            facts.bytes == Int64(text.count)
        else { return false }
        let file = try folder.openFile(name)
        return try file.digest(bytes: facts.bytes, path: folder.path(of: name)) == Digest.of(text)
    }

    /// Opens a folder whose name is durable. A folder that existed at the first use may come from a
    /// process that died before it could sync.
    ///
    /// - Parameter path: Its path below `rejected`.
    private func durableFolder(
        _ name: String, in folder: borrowing Directory, _ path: String
    ) throws(StorageError) -> Directory {
        let isNew = try folder.makeDirectory(name)
        if isNew || !rejectedFolders.withLock({ $0.contains(path) }) {
            rejectedFolders.withLock { _ = $0.remove(path) }
            try folder.sync()
            rejectedFolders.withLock {
                if $0.count >= 4096 { $0 = [] }
                $0.insert(path)
            }
        }
        return try folder.openDirectory(name)
    }

    /// The name for a folder: its own, unless a file has that.
    private static func folderName(
        _ part: String, in folder: borrowing Directory, _ digest: Digest
    ) throws(StorageError) -> String {
        for name in candidates(for: part, digest) {
            if try folder.facts(name)?.isDirectory ?? true { return name }
        }
        throw noName(folder.path(of: part))
    }

    /// The name itself, then with more and more of the digest before its extension; all so
    /// short that the name of the reason has at most 255 bytes.
    ///
    /// None ends as a reason does: in `rejected` that ending is ours.
    private static func candidates(for wanted: String, _ digest: Digest) -> [String] {
        let name =
            wanted.hasSuffix(reasonSuffix) ? wanted.dropLast(".txt".count) + " (1).txt" : wanted
        let limit = 255 - reasonSuffix.utf8.count - ".tmp".utf8.count
        let dot = name.lastIndex(of: ".").flatMap { dot in
            dot == name.startIndex || name[dot...].utf8.count > 32 ? nil : dot
        }
        let ending = name[(dot ?? name.endIndex)...]
        let longer = [4, 8, 16, 64].map { digits in
            let suffix = " ~\(digest.hex.prefix(digits))\(ending)"
            var stem = name[..<(dot ?? name.endIndex)]
            while stem.utf8.count + suffix.utf8.count > limit { stem.removeLast() }
            return String(stem) + suffix
        }
        return name.utf8.count <= limit ? [name] + longer : longer
    }

    private static func noName(_ path: String) -> StorageError {
        StorageError(
            .alreadyExists, "no free name to set a file aside under", path: path,
            remedy: "Clear the folder rejected of what was dealt with")
    }
}
