import Archive
import Glibc
import Synchronization
import System

/// Names, numbers and folders of `/incoming` or `/rejected`, as far as the kernel knows them or
/// pacsfs still needs them. It lives in memory only: whoever changes it has changed the disk, or
/// is about to.
///
/// Nothing here recurses, because clients nest folders as deep as they like.
struct DirectoryTree {
    /// A file or folder.
    struct Node {
        /// What the kernel calls it: an InodeNumber, never given twice while the daemon runs.
        let number: UInt64
        let isDirectory: Bool
        /// The number that the file system of the volume gives it.
        var inode: UInt64
        /// `nil` for the root, and after it was removed.
        fileprivate(set) var parent: UInt64?
        fileprivate(set) var name: [UInt8]
        fileprivate(set) var isRemoved = false
        fileprivate(set) var children: [[UInt8]: UInt64] = [:]
        /// How often the kernel was given this number, less what it has forgotten.
        var lookups: UInt64 = 0
        /// When something last happened to it or to what is gone from it, monotonic ns.
        var lastUse: Int64
        /// Whether it must be remembered although the kernel has forgotten it.
        var isNeeded = false
        /// Counts it among those that its maker may have, as long as it has a name; `nil` for what
        /// was there before.
        var share: UserShares.Place?

        // MARK: Of directories

        /// How many programs have it open, how many names in it are reserved, and whether it is
        /// being moved: see ``Reservations``.
        var uses = 0
        var clearing = Clearing.never
        /// To whom it is shown to belong, where the daemon may not change that on disk.
        var shownOwner: FileOwner?
        /// The attributes of a directory when it was removed: programs in it may still ask.
        var finalAttributes: stat?
        /// How many levels of directories it makes with those below it; 1 for one without.
        fileprivate(set) var levels = 1
        /// How many directories in it make so many levels.
        fileprivate var levelsInside: [Int: Int] = [:]
    }

    /// When a directory is removed from `/incoming`, once it is empty.
    enum Clearing {
        case never
        /// It never had a file: whoever made it may take time.
        case whenAbandoned
        /// A file of it was archived or set aside: as soon as everything around it is quiet.
        case whenQuiet
    }

    /// A name in a directory, whether or not anything has it.
    struct Place: Hashable {
        var name: [UInt8]
        var directory: UInt64
    }

    /// The most levels of directories below the root.
    static let deepest = Recovery.deepest

    let root: UInt64
    private var nodes: CountedNodes
    /// How often a node was looked at or changed: what requests cost, for tests. The tree is
    /// guarded by one lock, so that none may cost more than its own share.
    var visits: Int { nodes.visits }
    private(set) var nextNumber: UInt64
    private let makeNumber: @Sendable (UInt64) -> UInt64

    /// - Parameters:
    ///   - root: The number of the root.
    ///   - nextNumber: From which on numbers are given.
    ///   - makeNumber: Turns that into what the kernel sees.
    init(root: UInt64, nextNumber: UInt64, makeNumber: @escaping @Sendable (UInt64) -> UInt64) {
        self.root = root
        self.nextNumber = nextNumber
        self.makeNumber = makeNumber
        nodes = CountedNodes()
        nodes[root] = Node(
            number: root, isDirectory: true, inode: 0, parent: nil, name: [], lastUse: 0)
    }

    /// A number beyond all that an earlier run has given, as long as that gave fewer than 65,536 a
    /// second.
    static func firstNumber(_ clock: any MonotonicClock) -> UInt64 {
        UInt64(max(clock.utc / 1_000_000_000 - 1_700_000_000, 1)) << 16
    }

    // MARK: Looking

    /// Whether a number is that of a node.
    func has(_ number: UInt64) -> Bool { nodes[number] != nil }

    /// - Throws: `ESTALE` for a number that was never given or has been forgotten.
    func node(_ number: UInt64) throws(Errno) -> Node {
        guard let node = nodes[number] else { throw Errno(ESTALE) }
        return node
    }

    /// A directory that has not been removed.
    ///
    /// - Throws: `ESTALE` or `ENOTDIR`.
    @discardableResult
    func directory(_ number: UInt64) throws(Errno) -> Node {
        let node = try node(number)
        guard node.isDirectory else { throw Errno(ENOTDIR) }
        guard !node.isRemoved else { throw Errno(ESTALE) }
        return node
    }

    func child(_ place: Place) -> UInt64? { nodes[place.directory]?.children[place.name] }

    /// The place of a node; `nil` for the root and for what was removed.
    func place(of number: UInt64) -> Place? {
        guard let node = nodes[number], let parent = node.parent else { return nil }
        return Place(name: node.name, directory: parent)
    }

    /// Names from the root, joined with `/`; `.` for the root.
    func path(of number: UInt64) -> [UInt8] {
        var names: [[UInt8]] = []
        var current = nodes[number]
        while let node = current, let parent = node.parent {
            names.append(node.name)
            current = nodes[parent]
        }
        return names.isEmpty
            ? [UInt8(ascii: ".")] : [UInt8](names.reversed().joined(separator: [UInt8(ascii: "/")]))
    }

    func path(of place: Place) -> [UInt8] {
        place.directory == root
            ? place.name : path(of: place.directory) + [UInt8(ascii: "/")] + place.name
    }

    /// Whether a directory is one of `directories`, or below one.
    func isWithin(_ directories: Set<UInt64>, _ directory: UInt64) -> Bool {
        var next: UInt64? = directory
        while let number = next {
            if directories.contains(number) { return true }
            next = nodes[number]?.parent
        }
        return false
    }

    /// How many levels below the root a node is.
    func depth(of number: UInt64) -> Int {
        var (depth, current) = (0, nodes[number])
        while let parent = current?.parent {
            depth += 1
            current = nodes[parent]
        }
        return depth
    }

    /// Checks that directories do not come to lie too deep.
    ///
    /// - Parameters:
    ///   - levels: How many levels of directories are put into `parent`.
    ///   - current: How deep they are now, if they are in the tree; from there they may go up,
    ///     however many they are.
    /// - Throws: `ENAMETOOLONG`.
    func requireDepth(
        of levels: Int, in parent: UInt64, from current: Int? = nil
    ) throws(Errno) {
        let depth = depth(of: parent)
        if let current, depth < current { return }
        guard depth + levels <= Self.deepest else { throw Errno(ENAMETOOLONG) }
    }

    /// Calls `body` with every node below the root, each directory after all that is in it.
    ///
    /// - Parameter body: Also gets the depth, 1 for what is in the root.
    func forEachUpwards(_ body: (Node, _ depth: Int) -> Void) {
        var stack = (nodes[root]?.children.values).map { $0.map { (number: $0, depth: 1) } } ?? []
        var entered: Set<UInt64> = []
        while let (number, depth) = stack.last {
            guard let node = nodes[number] else {
                stack.removeLast()
                continue
            }
            if !node.children.isEmpty, entered.insert(number).inserted {
                stack += node.children.values.map { ($0, depth + 1) }
            } else {
                stack.removeLast()
                body(node, depth)
            }
        }
    }

    /// All directories, each before those in it, with their paths; without the root.
    var directories: [(node: Node, path: [UInt8])] {
        var result: [(node: Node, path: [UInt8])] = []
        var next = [(number: root, prefix: [UInt8]())]
        while let (number, prefix) = next.popLast() {
            for child in nodes[number]?.children.values ?? [:].values {
                guard let node = nodes[child], node.isDirectory else { continue }
                let path = prefix + node.name
                result.append((node, path))
                next.append((child, path + [UInt8(ascii: "/")]))
            }
        }
        return result
    }

    // MARK: Changing

    /// Changes what is said of a node; nothing when it is gone.
    mutating func update(_ number: UInt64, _ change: (inout Node) -> Void) {
        nodes.change(number, change)
    }

    /// Adds a node at a place that nothing has.
    ///
    /// - Parameters:
    ///   - number: The number it had on an earlier volume; `nil` for a fresh one.
    mutating func add(
        _ place: Place, inode: UInt64, isDirectory: Bool, as number: UInt64? = nil, now: Int64
    ) -> UInt64 {
        nextNumber += 1
        let number = number ?? makeNumber(nextNumber)
        nodes[number] = Node(
            number: number, isDirectory: isDirectory, inode: inode, parent: place.directory,
            name: place.name, lastUse: now)
        attach(number, isDirectory ? 1 : nil, to: place)
        return number
    }

    /// Takes the name away from a node, and from all that is below it; the kernel may still know
    /// their numbers.
    ///
    /// - Returns: The numbers of all of them.
    @discardableResult
    mutating func remove(_ number: UInt64) -> [UInt64] {
        detach(number)
        var (numbers, removed) = ([number], [UInt64]())
        while let number = numbers.popLast() {
            guard let children = nodes[number]?.children.values else { continue }
            removed.append(number)
            numbers += children
            update(number) { node in
                node.children = [:]
                node.parent = nil
                node.isRemoved = true
                node.clearing = .never
                // The kernel keeps what it knows as long as it has memory: that is not its user's.
                node.share = nil
            }
            dropIfForgotten(number)
        }
        return removed
    }

    /// Moves a node to another place, which nothing has.
    mutating func move(_ number: UInt64, to place: Place) {
        detach(number)
        nodes[number]?.parent = place.directory
        nodes[number]?.name = place.name
        attach(number, nodes[number].flatMap { $0.isDirectory ? $0.levels : nil }, to: place)
    }

    private mutating func attach(_ number: UInt64, _ levels: Int?, to place: Place) {
        nodes[place.directory]?.children[place.name] = number
        changeLevels(in: place.directory, from: nil, to: levels)
    }

    /// A directory in another makes more levels, or fewer. Those above learn of it, as far as it
    /// matters to them.
    private mutating func changeLevels(in directory: UInt64, from old: Int?, to new: Int?) {
        var (next, old, new): (UInt64?, Int?, Int?) = (directory, old, new)
        while let number = next, old != new {
            var (above, before, after): (UInt64?, Int?, Int?) = (nil, nil, nil)
            nodes.change(number) { node in
                (above, before) = (node.parent, node.levels)
                node.changeLevels(from: old, to: new)
                after = node.levels
            }
            (next, old, new) = (above, before, after)
        }
    }

    private mutating func detach(_ number: UInt64) {
        guard let node = nodes[number], let parent = node.parent else { return }
        if nodes[parent]?.children[node.name] == number {
            nodes[parent]?.children[node.name] = nil
            changeLevels(in: parent, from: node.isDirectory ? node.levels : nil, to: nil)
        }
        if let use = nodes[parent]?.lastUse { nodes[parent]?.lastUse = max(use, node.lastUse) }
    }

    /// One of ``Node/uses`` has ended.
    mutating func endUse(of directory: UInt64) {
        update(directory) { $0.uses -= 1 }
        forget(directory, count: 0)
    }

    /// The kernel has forgotten a number `count` times. With 0, nothing but a look whether the
    /// node is still needed.
    mutating func forget(_ number: UInt64, count: UInt64) {
        guard number != root, let lookups = nodes[number]?.lookups else { return }
        nodes[number]?.lookups = lookups - min(count, lookups)
        dropIfForgotten(number)
    }

    /// Forgets a node that neither the kernel nor pacsfs needs, and those above it that were kept
    /// because of it only.
    private mutating func dropIfForgotten(_ number: UInt64) {
        var next: UInt64? = number
        while let number = next, number != root, let node = nodes[number], node.isForgotten {
            next = node.parent
            detach(number)
            nodes[number] = nil
        }
    }
}

extension DirectoryTree.Node {
    /// A directory in it makes other levels now; `nil` when it was not or is not there.
    fileprivate mutating func changeLevels(from old: Int?, to new: Int?) {
        if let old, let count = levelsInside[old] {
            levelsInside[old] = count > 1 ? count - 1 : nil
        }
        if let new { levelsInside[new, default: 0] += 1 }
        // How many more than too many there are does not matter.
        levels = min(1 + (levelsInside.keys.max() ?? 0), DirectoryTree.deepest + 1)
    }

    fileprivate var isForgotten: Bool {
        lookups == 0 && !isNeeded && uses == 0 && clearing == .never && children.isEmpty
            && (shownOwner == nil || isRemoved)
    }
}

/// To whom a file belongs.
struct FileOwner: Equatable, Sendable {
    var uid: uid_t
    var gid: gid_t
}

/// The nodes of a tree by their numbers, and how often they were asked for.
private struct CountedNodes {
    private final class Counter: Sendable {
        let value = Atomic(0)
    }

    private var nodes: [UInt64: DirectoryTree.Node] = [:]
    private let counter = Counter()

    var visits: Int { counter.value.load(ordering: .relaxed) }

    private func count() { counter.value.wrappingAdd(1, ordering: .relaxed) }

    subscript(number: UInt64) -> DirectoryTree.Node? {
        get {
            count()
            return nodes[number]
        }
        _modify {
            count()
            yield &nodes[number]
        }
    }

    /// Changes a node where it is; nothing when it is gone.
    mutating func change(_ number: UInt64, _ change: (inout DirectoryTree.Node) -> Void) {
        count()
        guard let index = nodes.index(forKey: number) else { return }
        change(&nodes.values[index])
    }
}
