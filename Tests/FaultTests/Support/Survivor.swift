import Foundation
import TestSupport
import SyntheticStudy

/// Decides which of the unsynced changes survive a power cut, and makes the folders as they would
/// be found afterwards.
struct Survivor {
    /// What happens to unsynced changes, by chance.
    struct Chance {
        fileprivate var random: SeededRandom
        /// Parts of a file reach the disk in pieces of this size, in bytes.
        fileprivate let block: Int
        /// How many of a hundred changes have reached it.
        fileprivate let percent: Int
        fileprivate var survives: [Int: Bool] = [:]

        init(seed: UInt64) {
            random = SeededRandom(seed: seed, 0x6375)
            block = random.below(2) == 0 ? 512 : 4096
            percent = random.pick([10, 50, 90])
        }

        fileprivate mutating func survives(_ number: Int? = nil) -> Bool {
            let drawn = random.below(100) < percent
            guard let number else { return drawn }
            if let known = survives[number] { return known }
            survives[number] = drawn
            return drawn
        }
    }

    /// `nil` when nothing survives that was not synced.
    private var chance: Chance?
    /// The file of each node that has one: further names are links.
    private var made: [ObjectIdentifier: String] = [:]

    init(_ chance: Chance? = nil) { self.chance = chance }

    /// Puts the surviving folders where they were; nothing may be there.
    mutating func put(_ model: DiskModel) throws {
        for (path, node) in model.surviving { try put(node, at: path) }
    }

    private mutating func put(_ node: DiskModel.Node, at path: String) throws {
        if node.isFolder {
            guard mkdir(path, 0o755) == 0 else {
                throw ProgramError(description: "\(path): \(lastError)")
            }
            // In an order that does not change, so that the same seed does the same.
            for (name, child) in entries(of: node).sorted(by: { $0.key < $1.key }) {
                try put(child, at: path + "/" + name)
            }
        } else if let first = made[ObjectIdentifier(node)] {
            guard link(first, path) == 0 else {
                throw ProgramError(description: "\(path): \(lastError)")
            }
        } else {
            try Files.write(content(of: node), to: path)
            made[ObjectIdentifier(node)] = path
        }
        chmod(path, mode_t(node.mode))
    }

    private mutating func entries(of node: DiskModel.Node) -> [String: DiskModel.Node] {
        var entries = node.entries
        guard chance != nil else { return entries }
        for case .name(let name, let child, let number) in node.changes
        where chance?.survives(number) == true {
            entries[name] = child
        }
        return entries
    }

    private mutating func content(of node: DiskModel.Node) -> [UInt8] {
        guard var chance, !node.changes.isEmpty else { return node.bytes }
        var pieces: [DiskModel.Change] = []
        for change in node.changes {
            guard case .write(let offset, let bytes) = change else {
                if chance.survives() { pieces.append(change) }
                continue
            }
            // Cut where the blocks of the file are.
            var start = 0
            while start < bytes.count {
                let end = min(
                    bytes.count, ((offset + start) / chance.block + 1) * chance.block - offset)
                if chance.survives() {
                    pieces.append(.write(offset: offset + start, Array(bytes[start..<end])))
                }
                start = end
            }
        }
        var result = DiskModel.content(of: node, applying: pieces)
        // Room that was taken but not written reads as zeros.
        if result.count < node.seenCount, chance.survives() {
            DiskModel.resize(&result, node.seenCount)
        }
        self.chance = chance
        return result
    }
}
