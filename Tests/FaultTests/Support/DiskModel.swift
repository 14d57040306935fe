import Foundation
import TestSupport

/// What would be left on a disk if the power failed now: a file system that keeps only what was
/// synced.
///
/// - The bytes of a file are those of its last fsync, fdatasync or syncfs. A failed sync forgets
///   what it should have kept, as Linux does: the next sync does not bring that back.
/// - The names in a folder are those of the last fsync of this folder, or syncfs. A new file
///   whose name is not kept is gone, even if its bytes were synced.
///
/// It learns the state before a trace, then follows the records of the trace.
final class DiskModel {
    /// A file or a folder.
    final class Node {
        let isFolder: Bool
        var mode: UInt32
        /// The state that is sure to remain.
        fileprivate(set) var bytes: [UInt8] = []
        fileprivate(set) var entries: [String: Node] = [:]
        /// The state that the program sees.
        fileprivate(set) var seenEntries: [String: Node] = [:]
        fileprivate(set) var seenCount = 0
        /// The changes since the last sync, in their order.
        fileprivate(set) var changes: [Change] = []

        fileprivate init(isFolder: Bool, mode: UInt32) {
            self.isFolder = isFolder
            self.mode = mode
        }
    }

    enum Change {
        case write(offset: Int, [UInt8])
        case truncate(Int)
        /// `nil` takes the name away. Changes with the same number are one: a rename.
        case name(String, Node?, number: Int)
    }

    private var nodes: [FileID: Node] = [:]
    private var roots: [(path: String, node: Node)] = []
    private var changeCount = 0

    /// Learns the contents of some folders, which count as durable.
    init(roots paths: [String]) throws {
        for path in paths { roots.append((path, try learn(path))) }
    }

    private func learn(_ path: String) throws -> Node {
        var status = stat()
        guard lstat(path, &status) == 0 else {
            throw ProgramError(description: "\(path): \(lastError)")
        }
        let node = Node(
            isFolder: status.st_mode & S_IFMT == S_IFDIR, mode: UInt32(status.st_mode & 0o7777))
        nodes[FileID(device: UInt64(status.st_dev), inode: UInt64(status.st_ino))] = node
        if node.isFolder {
            for name in try FileManager.default.contentsOfDirectory(atPath: path) {
                node.entries[name] = try learn(path + "/" + name)
            }
            node.seenEntries = node.entries
        } else if status.st_mode & S_IFMT == S_IFREG {
            node.bytes = try Files.read(path)
            node.seenCount = node.bytes.count
        }
        return node
    }

    /// The folders with the contents that are sure to remain.
    var surviving: [(path: String, node: Node)] { roots }

    // MARK: Changes

    func apply(_ record: TraceRecord) throws {
        guard record.result == 0 else {
            if record.result > 0, record.isSync { try forget(record) }
            return
        }
        switch record.kind {
        case .create:
            let node = Node(isFolder: false, mode: record.mode & 0o7777)
            nodes[record.file] = node
            // O_TMPFILE makes a file without a name.
            if record.name.isEmpty { break }
            name(record.name, node, in: try folder(record.folder), number: next())
        case .mkdir:
            let node = Node(isFolder: true, mode: record.mode & 0o7777)
            nodes[record.file] = node
            name(record.name, node, in: try folder(record.folder), number: next())
        case .write, .copy: write(record.payload, at: record.offset, to: try node(record.file))
        case .clone: write(record.payload, at: 0, to: try node(record.file))
        case .truncate:
            let node = try node(record.file)
            node.changes.append(.truncate(record.length))
            node.seenCount = record.length
        case .allocate:
            let node = try node(record.file)
            let end = record.offset + record.length
            if record.flags == 0, end > node.seenCount { node.changes.append(.truncate(end)) }
            node.seenCount = max(node.seenCount, end)
        case .chmod: try node(record.file).mode = record.mode & 0o7777
        case .link:
            name(
                record.secondName, try node(record.file), in: try folder(record.secondFolder),
                number: next())
        case .rename:
            let number = next()
            // Renaming one name of a file to another name of the same file does nothing.
            let (source, target) = (try folder(record.folder), try folder(record.secondFolder))
            let node = try node(record.file)
            guard target.seenEntries[record.secondName] !== node else { return }
            name(record.secondName, node, in: target, number: number)
            name(record.name, nil, in: source, number: number)
        case .unlink: name(record.name, nil, in: try folder(record.folder), number: next())
        case .fsync, .fdatasync: Self.keep(try node(record.file))
        case .syncfs:
            for (file, node) in nodes where file.device == record.file.device { Self.keep(node) }
        case .range, .read, .open, .mark: break
        }
    }

    private func next() -> Int {
        changeCount += 1
        return changeCount
    }

    private func node(_ file: FileID) throws -> Node {
        guard let node = nodes[file] else {
            throw ProgramError(
                description: "The trace names a file \(file) that was never created.")
        }
        return node
    }

    private func folder(_ file: FileID) throws -> Node {
        let node = try node(file)
        guard node.isFolder else { throw ProgramError(description: "\(file) is not a folder.") }
        return node
    }

    private func write(_ bytes: [UInt8], at offset: Int, to node: Node) {
        node.changes.append(.write(offset: offset, bytes))
        node.seenCount = max(node.seenCount, offset + bytes.count)
    }

    private func name(_ name: String, _ node: Node?, in folder: Node, number: Int) {
        folder.seenEntries[name] = node
        folder.changes.append(.name(name, node, number: number))
    }

    private static func keep(_ node: Node) {
        node.bytes = content(of: node, applying: node.changes)
        node.entries = node.seenEntries
        node.changes = []
    }

    private func forget(_ record: TraceRecord) throws {
        // A failed sync of the whole file system says nothing about one file: the next sync of the
        // file still does.
        if record.kind == .syncfs { return }
        let node = try node(record.file)
        if node.isFolder { return }
        // The size is not of the page cache: it is kept.
        node.changes = node.bytes.count == node.seenCount ? [] : [.truncate(node.seenCount)]
    }

    static func content(of node: Node, applying changes: [Change]) -> [UInt8] {
        var bytes = node.bytes
        for change in changes {
            switch change {
            case .write(let offset, let piece):
                if bytes.count < offset + piece.count { resize(&bytes, offset + piece.count) }
                bytes.replaceSubrange(offset..<offset + piece.count, with: piece)
            case .truncate(let count): resize(&bytes, count)
            case .name: break
            }
        }
        return bytes
    }

    static func resize(_ bytes: inout [UInt8], _ count: Int) {
        if bytes.count > count {
            bytes.removeLast(bytes.count - count)
        } else {
            bytes.append(contentsOf: repeatElement(0, count: count - bytes.count))
        }
    }
}
