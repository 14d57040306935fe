import System

/// What threads do on the disk of `/incoming` just now, while others have its lock: which file is
/// whose turn, which names are reserved, and which directories are moved. ``IncomingLock`` has
/// threads wait for it.
///
/// A directory with a reserved name, or that is being moved, counts that among its
/// ``DirectoryTree/Node/uses``.
struct Reservations {
    /// Files that a thread changes on disk.
    private var turns: Set<UInt64> = []
    private var names: Set<DirectoryTree.Place> = []
    /// Directories that are being renamed or removed.
    private var moving: Set<UInt64> = []
    /// Counts the beginnings and ends of directories' moves: a path that was read before one may
    /// lead elsewhere after it.
    private(set) var moves = 0
    /// How many threads wait, and for which file; `nil` for a name, or the end of a move.
    private var waiting: [UInt64?: Int] = [:]

    // MARK: Turns of files

    func isTurnTaken(of file: UInt64) -> Bool { turns.contains(file) }

    /// Whether a thread has the turn of a file, or waits for it.
    func areWanted(of file: UInt64) -> Bool { turns.contains(file) || waiting[file] != nil }

    /// - Returns: False when another thread has the turn.
    mutating func takeTurn(of file: UInt64) -> Bool { turns.insert(file).inserted }

    mutating func endTurn(of file: UInt64) { turns.remove(file) }

    // MARK: Names

    /// Reserves all of some names, or none.
    ///
    /// - Returns: False when another thread has one of them, or a directory above one is moved.
    /// - Throws: `ESTALE` or `ENOTDIR` of a directory.
    mutating func reserve(
        _ places: [DirectoryTree.Place], in tree: inout DirectoryTree
    ) throws(Errno) -> Bool {
        for place in places {
            try tree.directory(place.directory)
            if names.contains(place) || isMoving(place.directory, in: tree) { return false }
        }
        for place in places {
            names.insert(place)
            tree.update(place.directory) { $0.uses += 1 }
        }
        return true
    }

    mutating func release(_ places: [DirectoryTree.Place], in tree: inout DirectoryTree) {
        for place in places where names.remove(place) != nil {
            tree.endUse(of: place.directory)
        }
    }

    // MARK: Moves of directories

    /// Whether a directory, or one above it, is being renamed or removed.
    func isMoving(_ directory: UInt64, in tree: DirectoryTree) -> Bool {
        !moving.isEmpty && tree.isWithin(moving, directory)
    }

    /// Begins a move. Nobody begins anything below the directory until it has ended.
    mutating func beginMove(of directory: UInt64, in tree: inout DirectoryTree) {
        moving.insert(directory)
        moves += 1
        tree.update(directory) { $0.uses += 1 }
    }

    mutating func endMove(of directory: UInt64, in tree: inout DirectoryTree) {
        moving.remove(directory)
        moves += 1
        tree.endUse(of: directory)
    }

    // MARK: Waiting

    /// A thread begins to wait.
    ///
    /// - Parameter file: For the turn of which; `nil` for a name, or the end of a move.
    mutating func beginWait(for file: UInt64?) { waiting[file, default: 0] += 1 }

    mutating func endWait(for file: UInt64?) {
        let left = (waiting[file] ?? 1) - 1
        waiting[file] = left > 0 ? left : nil
    }

    func areAwaited(_ file: UInt64?) -> Bool { waiting[file] != nil }
}
