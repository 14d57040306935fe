import Glibc
import System

/// The folder `rejected` of a volume. Any thread may use it at any time, but only one thread at a
/// time for the same path.
///
/// ```
/// rejected/<date>/<path>               a rejected file
/// rejected/<date>/<path>.reason.txt    why
/// ```
public final class RejectedFolder: Sendable {
    let directory: Directory
    /// `staging/commit`, where files are complete before they get their names.
    let staging: Directory
    private let reserve: Int64
    private let disk: DiskCalls?
    /// Folders that this process knows to be durable, by their paths.
    private let durableFolders = Lock<Set<String>>([])

    /// - Parameter reserve: Bytes to keep free.
    init(
        _ directory: consuming Directory, staging: borrowing Directory, reserve: Int64,
        disk: DiskCalls?
    ) throws(StorageError) {
        self.directory = directory
        self.disk = disk
        self.staging = try staging.openDirectory(".")
        self.reserve = reserve
    }

    /// The descriptor of the folder, for showing it; valid as long as the volume lives.
    public var descriptor: Int32 { directory.number }

    /// Whether a file of this size is at a path below the folder.
    public func holds(_ path: String, bytes: Int64) -> Bool {
        let found = try? onDisk { [self] () throws(StorageError) in try directory.facts(path) }
        guard let facts = found ?? nil else { return false }
        return facts.isRegular && facts.bytes == bytes
    }

    func onDisk<R: Sendable>(
        reading source: DiskCalls? = nil,
        _ body: @escaping @Sendable () throws(StorageError) -> R
    ) throws(StorageError) -> R {
        try Volume.on(disk, at: directory.path, reading: source, body)
    }

    /// A folder below `rejected`, and a name in it that is free or has the same bytes.
    struct Destination: ~Copyable {
        var folder: Directory
        var folderPath: String
        var name: String
        /// Of the bytes that belong there: ``Digest/ofRejected(descriptor:bytes:path:)``.
        var digest: Digest
        /// The same bytes are there already.
        var isThere: Bool
        /// A reason of the file is there, which may be overwritten.
        var hasReason: Bool
    }

    /// Copies a file to `rejected/<date>/<path>`, and says why in `<name>.reason.txt` beside it.
    /// Durable when it returns.
    ///
    /// If other bytes have the name, the file gets a suffix from its SHA-256 (` ~1f3a`). A name
    /// that looks like a reason, `X.reason.txt`, becomes `X.reason (1).txt`. If the same bytes are
    /// there already, only the reason is rewritten. Holes are kept, and take no room.
    ///
    /// - Parameters:
    ///   - source: An open descriptor of the file.
    ///   - bytes: Its size.
    ///   - digest: As ``Digest/ofRejected(descriptor:bytes:path:)`` gives it: the copy has these
    ///     bytes, whatever becomes of the source meanwhile.
    ///   - relativePath: The path it gets below `rejected/<date>`.
    ///   - reason: One or more sentences for a person.
    ///   - access: Whose it is, and who may read it; that of the source when it is left out.
    ///   - time: Its date in UTC names the folder.
    ///   - disk: Where the source is, if that is known.
    /// - Returns: Its path below the volume's folder.
    /// - Throws: `noSpace` when there is no space above the reserve, `corrupt` when the file has
    ///   another digest by now, or the error of a system call.
    public func reject(
        copyOf source: Int32, bytes: Int64, digest: Digest, path relativePath: String,
        reason: String, access: FileAccess? = nil, at time: Timestamp = .now(),
        reading disk: DiskCalls? = nil
    ) throws(StorageError) -> String {
        let parts = try RelativePath.components(relativePath)
        return try onDisk(reading: disk) { [self] () throws(StorageError) in
            let text = Self.text(reason)
            let place = try destination(
                for: [time.date] + parts, bytes: bytes, digest, reason: text, syncsFolders: true)
            return try reject(copyOf: source, bytes: bytes, text, access, to: place)
        }
    }

    private func reject(
        copyOf source: Int32, bytes: Int64, _ reason: [UInt8], _ access: FileAccess?,
        to place: borrowing Destination
    ) throws(StorageError) -> String {
        var copy: String?
        defer { if let copy { try? staging.remove(copy) } }
        // The file is whole before anything of it is seen: it may have changed, or not fit.
        if !place.isThere { copy = try self.copy(of: source, bytes: bytes, access, for: place) }
        try writeReason(reason, in: place)
        if let copy { try staging.renameWithoutReplacing(copy, to: place.folder, place.name) }
        try place.folder.sync()
        return place.folderPath + "/" + place.name
    }

    /// Copies a file durably to `staging/commit`. It is no more readable than its source was.
    ///
    /// - Returns: The name of the copy, which has the bytes that belong to its destination.
    private func copy(
        of source: Int32, bytes: Int64, _ access: FileAccess? = nil,
        for place: borrowing Destination
    ) throws(StorageError) -> String {
        let path = place.folder.path(of: place.name)
        let temporary = Self.rejectTemporary()
        do throws(StorageError) {
            let copy = try copy(source, to: temporary, path: path, access)
            try Self.require(place.digest, bytes: bytes, of: copy, path: path)
            try copy.syncData(path: path)
            return temporary
        } catch {
            try? staging.remove(temporary)
            throw error
        }
    }

    /// A program may have gone on with a file since it was hashed: its copy says what is kept.
    static func require(
        _ digest: Digest, bytes: Int64, of copy: borrowing Descriptor, path: String
    ) throws(StorageError) {
        guard try copy.facts(path: path).bytes == bytes,
            try Digest.ofRejected(descriptor: copy.number, bytes: bytes, path: path) == digest
        else {
            throw StorageError(
                .corrupt, "the file was changed while it was set aside", path: path,
                remedy: "It is looked at again when no program writes it")
        }
    }

    /// Copies a reason durably to a name that is free. The caller makes the folder durable.
    private func fill(
        _ folder: borrowing Directory, _ name: String, from source: Int32
    ) throws(StorageError) {
        let path = folder.path(of: name)
        let temporary = Self.rejectTemporary()
        do throws(StorageError) {
            let copy = try copy(source, to: temporary, path: path, nil)
            try copy.syncData(path: path)
            try staging.renameWithoutReplacing(temporary, to: folder, name)
        } catch {
            try? staging.remove(temporary)
            throw error
        }
    }

    /// Copies a file to a new one in `staging/commit`.
    ///
    /// - Parameter path: For messages.
    func copy(
        _ source: Int32, to temporary: String, path: String, _ access: FileAccess?
    ) throws(StorageError) -> Descriptor {
        let facts = try FileFacts.of(source, path: path)
        let data = try FileIO.dataBytes(of: source, bytes: facts.bytes, path: path)
        try FileSystemSpace.of(directory).require(data, above: reserve, path: directory.path)
        let copy = try staging.openFile(temporary, O_RDWR | O_CREAT | O_EXCL, mode: 0o600)
        try (access ?? FileAccess(facts)).give(to: copy.number, path: path)
        _ = try FileCopy.copy(
            from: source, to: copy, bytes: facts.bytes, hashing: false, path: path)
        return copy
    }

    /// Copies a rejected file of another volume, with its reason: durably, and to the same path.
    /// If other bytes have that name here, it gets a suffix as in
    /// ``reject(copyOf:path:reason:at:)``. The source stays.
    ///
    /// - Parameters:
    ///   - relativePath: The file's path below `rejected`, there and here.
    ///   - digest: What stands for its bytes, when that is known: others are not copied.
    /// - Throws: `noSpace` when there is no space above the reserve, `corrupt` for other bytes, or
    ///   the error of a system call.
    public func copy(
        _ relativePath: String, from source: RejectedFolder, expecting digest: Digest? = nil
    ) throws(StorageError) {
        let parts = try RelativePath.components(relativePath)
        try onDisk(reading: source.disk) { [self] () throws(StorageError) in
            try copy(parts, from: source, expecting: digest)
        }
    }

    private func copy(
        _ parts: [String], from source: RejectedFolder, expecting digest: Digest?
    ) throws(StorageError) {
        let folder = try source.directory.openFolder(parts.dropLast())
        let name = parts[parts.count - 1]
        let file = try folder.openFile(name)
        if let digest {
            let path = folder.path(of: name)
            let bytes = try file.facts(path: path).bytes
            guard
                try Digest.ofRejected(descriptor: file.number, bytes: bytes, path: path) == digest
            else {
                throw StorageError(
                    .corrupt, "the file was altered since it was rejected", path: path,
                    remedy: "Check the disk with smartctl")
            }
        }
        let place = try destination(for: parts, contentOf: file.number, reason: nil)
        // The file first: a reason without it would not be known again after a crash.
        if !place.isThere {
            let bytes = try file.facts(path: folder.path(of: name)).bytes
            let copy = try self.copy(of: file.number, bytes: bytes, for: place)
            do throws(StorageError) {
                try staging.renameWithoutReplacing(copy, to: place.folder, place.name)
            } catch {
                try? staging.remove(copy)
                throw error
            }
        }
        let reasonName = name + Self.reasonSuffix
        if !place.hasReason, try folder.facts(reasonName)?.isRegular == true {
            let reason = try folder.openFile(reasonName)
            try fill(place.folder, place.name + Self.reasonSuffix, from: reason.number)
        }
        try place.folder.sync()
    }

    static let reasonSuffix = ".reason.txt"

    /// The path of the reason of a file, beside it.
    public static func reason(of path: [UInt8]) -> [UInt8] {
        path + Array(reasonSuffix.utf8)
    }

    /// Whether a path may be that of a reason. It is one if the file it belongs to is beside it:
    /// a file of a user may have such a name too.
    public static func isReason(_ path: [UInt8]) -> Bool {
        path.suffix(reasonSuffix.utf8.count).elementsEqual(reasonSuffix.utf8)
    }

    /// Writes the reason in `staging/commit`, and gives it its name when it is durable. Recovery
    /// removes the remains after a crash. The caller makes the folder durable.
    private func writeReason(_ text: [UInt8], in place: borrowing Destination) throws(StorageError)
    {
        let temporary = Self.rejectTemporary()
        let path = staging.path(of: temporary)
        do throws(StorageError) {
            let file = try staging.openFile(temporary, O_WRONLY | O_CREAT | O_EXCL)
            try file.write(text, at: 0, path: path)
            try file.syncAll(path: path)
            let name = place.name + Self.reasonSuffix
            if place.hasReason {
                try staging.rename(temporary, to: place.folder, name)
            } else {
                try staging.renameWithoutReplacing(temporary, to: place.folder, name)
            }
        } catch {
            try? staging.remove(temporary)
            throw error
        }
    }

    static func text(_ reason: String) -> [UInt8] {
        Array((reason.hasSuffix("\n") ? reason : reason + "\n").utf8)
    }

    static func rejectTemporary() -> String {
        "\(UInt64.random(in: .min ... .max))\(Volume.partialSuffix)"
    }

    /// Makes the folders for a rejected file and finds a name that is free or has the same bytes.
    ///
    /// - Parameter reason: The content of its reason; `nil` when that is not known: then a reason
    ///   without its file is not taken for it.
    private func destination(
        for parts: [String], contentOf file: Int32, reason: [UInt8]?
    ) throws(StorageError) -> Destination {
        let path = directory.path(of: parts.joined(separator: "/"))
        let bytes = try FileFacts.of(file, path: path).bytes
        let digest = try Digest.ofRejected(descriptor: file, bytes: bytes, path: path)
        return try destination(
            for: parts, bytes: bytes, digest, reason: reason, syncsFolders: true)
    }

    /// The same for a file of which size and digest are known.
    ///
    /// - Parameter syncsFolders: Whether the folders are to be durable.
    func destination(
        for parts: [String], bytes: Int64, _ digest: Digest, reason: [UInt8]?, syncsFolders: Bool
    ) throws(StorageError) -> Destination {
        let path = directory.path(of: parts.joined(separator: "/"))
        var folderPath = ""
        var folder = try directory.openFolder([])
        for part in parts.dropLast() {
            let name = try Self.folderName(part, in: folder, digest)
            folderPath += folderPath.isEmpty ? name : "/" + name
            if syncsFolders {
                folder = try durableFolder(name, in: folder, folderPath)
            } else {
                if try folder.makeDirectory(name) {
                    durableFolders.withLock { _ = $0.remove(folderPath) }
                }
                folder = try folder.openDirectory(name)
            }
        }
        folderPath =
            folderPath.isEmpty ? Volume.Name.rejected : "\(Volume.Name.rejected)/\(folderPath)"
        for name in Self.candidates(for: parts[parts.count - 1], digest) {
            let reasonFacts = try folder.facts(name + Self.reasonSuffix)
            guard let facts = try folder.facts(name) else {
                // Somebody's file has the name of the reason, unless it has our content: then its
                // file was moved away, or a crash came before it.
                if reasonFacts != nil, try !Self.holds(folder, name + Self.reasonSuffix, reason) {
                    continue
                }
                return Destination(
                    folder: folder, folderPath: folderPath, name: name, digest: digest,
                    isThere: false, hasReason: reasonFacts != nil)
            }
            guard facts.isRegular, facts.bytes == bytes else { continue }
            let other = try folder.openFile(name)
            if try Digest.ofRejected(descriptor: other.number, bytes: bytes, path: path) == digest {
                return Destination(
                    folder: folder, folderPath: folderPath, name: name, digest: digest,
                    isThere: true, hasReason: reasonFacts != nil)
            }
        }
        throw Self.noName(path)
    }

    /// Whether a file is there and holds just these bytes.
    private static func holds(
        _ folder: borrowing Directory, _ name: String, _ text: [UInt8]?
    ) throws(StorageError) -> Bool {
        guard let text, let facts = try folder.facts(name), facts.isRegular,
            facts.bytes == Int64(text.count)
        else { return false }
        let file = try folder.openFile(name)
        return try file.digest(bytes: facts.bytes, path: folder.path(of: name)) == Digest.of(text)
    }

    /// Opens a folder and makes its name durable. A folder that this process has not made may come
    /// from one that died before it could sync.
    ///
    /// - Parameter path: Its path below `rejected`.
    private func durableFolder(
        _ name: String, in folder: borrowing Directory, _ path: String
    ) throws(StorageError) -> Directory {
        let isNew = try folder.makeDirectory(name)
        if isNew || !durableFolders.withLock({ $0.contains(path) }) {
            durableFolders.withLock { _ = $0.remove(path) }
            try folder.sync()
            durableFolders.withLock {
                if $0.count >= 4096 { $0 = [] }
                $0.insert(path)
            }
        }
        return try folder.openDirectory(name)
    }

    /// The name for a folder: its own, unless a file has it.
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
    /// None ends like a reason: in `rejected` that ending belongs to pacsfs.
    static func candidates(for wanted: String, _ digest: Digest) -> [String] {
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
            .alreadyExists, "there is no free name for a rejected file", path: path,
            remedy: "Remove files from the folder rejected that have been dealt with")
    }
}
