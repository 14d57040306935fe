import Glibc
import System

// How requests about /incoming share it
// =====================================
//
// One lock guards ``IncomingContents``. It is held for moments: no thread makes a system call while
// it has it, so that a disk that does not answer delays only those who want something of it.
// What a thread does on disk outside of the lock is kept apart from others by two kinds of
// ``Reservations``; both are waited for with the lock given back.
//
//   turn    the right to change one file: its bytes, size, mode, owner and times, the copy before
//           the first write, its submission to the archive. See ``takeTurn(of:then:)``.
//   name    the right to make, look up, rename or remove one name of one directory. See
//           ``reserve(_:)``. A directory that is being renamed or removed is moving as well:
//           nobody begins anything below it until that has ended.
//
// A call on disk is made in three steps: reserve under the lock, do it, then publish what came of
// it, and give the reservation back, under the lock. Reading, listing and asking for attributes
// of files need neither.
//
// Order, where a thread has several: turn of a file, name, lock. Several names are taken at once
// or not at all, and nobody who has a name waits for a turn. No reply is sent under the lock.
//
// Threads: requests come on those of libfuse; answers of the archive on one of its own, which must
// not wait for a disk (``IncomingTree/finished``); what follows such an answer on disk, and
// RENAMEs that take long, on threads that ``DeferredRenames`` starts; what settles on those of
// ``Settling``.

/// The lock of `/incoming`, and the threads that wait for a turn or a name. It makes no system call
/// but to close what nobody needs any more, after the lock was given back.
final class IncomingLock: Sendable {
    private let contents: Monitor<IncomingContents>

    init(_ contents: sending IncomingContents) { self.contents = Monitor(contents) }

    /// Calls `body` with the contents, and closes afterwards what nobody needs any more.
    func locked<R, Failure: Error>(
        _ body: (inout IncomingContents) throws(Failure) -> R
    ) throws(Failure) -> R {
        try locked(waking: .none, body)
    }

    private func locked<R, Failure: Error>(
        waking: Monitor<IncomingContents>.Waking,
        _ body: (inout IncomingContents) throws(Failure) -> R
    ) throws(Failure) -> R {
        var discarded: [SharedDescriptor] = []
        defer { discarded.removeAll() }
        return try contents.withLock(waking: waking) { (contents) throws(Failure) in
            defer { discarded = contents.takeDiscarded() }
            return try body(&contents)
        }
    }

    /// Waits until `body` returns something or throws.
    ///
    /// - Parameter file: Whose turn is waited for; `nil` for names and moves.
    private func wait<R>(
        for file: UInt64?, _ body: (inout IncomingContents) throws(Errno) -> R?
    ) throws(Errno) -> R {
        var isWaiting = false
        let (result, discarded) = contents.wait {
            contents -> (Result<R, Errno>, [SharedDescriptor])? in
            let result: Result<R, Errno>?
            do throws(Errno) { result = try body(&contents).map { .success($0) } } catch {
                result = .failure(error)
            }
            if isWaiting != (result == nil) {
                isWaiting.toggle()
                if isWaiting {
                    contents.reservations.beginWait(for: file)
                } else {
                    contents.reservations.endWait(for: file)
                }
            }
            return result.map { ($0, contents.takeDiscarded()) }
        }
        withExtendedLifetime(discarded) {}
        return try result.get()
    }

    /// Gives a reservation back, and wakes those who wait for it.
    private func end(
        waitedFor file: UInt64?, _ body: (inout IncomingContents) -> Void
    ) {
        let wakes = locked { contents in
            body(&contents)
            return contents.reservations.areAwaited(file)
        }
        if wakes { contents.withLock(waking: .all) { _ in } }
    }

    // MARK: Turn of a file

    /// Waits until no other thread changes a file on disk, and has others wait until
    /// ``endTurn(of:)``.
    ///
    /// - Parameter body: Called as soon as the turn is taken, under the same lock.
    /// - Throws: `ESTALE` for a file that is not remembered, and what `body` throws; the turn was
    ///   not taken then.
    func takeTurn<R>(
        of file: UInt64, then body: (inout IncomingContents) throws(Errno) -> R
    ) throws(Errno) -> R {
        try wait(for: file) { (contents) throws(Errno) -> R? in
            guard contents.files[file] != nil else { throw Errno(ESTALE) }
            guard contents.reservations.takeTurn(of: file) else { return nil }
            do throws(Errno) { return try body(&contents) } catch {
                contents.reservations.endTurn(of: file)
                throw error
            }
        }
    }

    /// Takes the turn of a file that no other thread has, if it is wanted.
    ///
    /// - Parameter isWanted: Asked under the same lock, before the turn is taken.
    func takeFreeTurn(
        of file: UInt64, if isWanted: (borrowing IncomingContents) -> Bool
    ) -> Bool {
        locked { contents in
            isWanted(contents) && contents.reservations.takeTurn(of: file)
        }
    }

    func endTurn(of file: UInt64) {
        end(waitedFor: file) { contents in
            contents.reservations.endTurn(of: file)
            contents.dropIfIdle(file)
        }
    }

    // MARK: Names

    /// Waits until no other thread changes or looks up some names on disk, and has others wait
    /// until ``release(_:)``.
    ///
    /// - Throws: `ESTALE` or `ENOTDIR` for what is no directory.
    func reserve(_ places: [DirectoryTree.Place]) throws(Errno) {
        try wait(for: nil) { (contents) throws(Errno) -> Void? in
            try contents.reservations.reserve(places, in: &contents.tree) ? () : nil
        }
    }

    /// Reserves a name that no other thread has.
    ///
    /// - Throws: `ESTALE` or `ENOTDIR` of the directory.
    func reserveIfFree(_ place: DirectoryTree.Place) throws(Errno) -> Bool {
        try locked { (contents) throws(Errno) in
            try contents.reservations.reserve([place], in: &contents.tree)
        }
    }

    func release(_ places: [DirectoryTree.Place]) {
        end(waitedFor: nil) { contents in
            contents.reservations.release(places, in: &contents.tree)
        }
    }

    // MARK: Moves of directories

    /// Begins the move of a directory whose name the thread has reserved.
    func beginMove(of directory: UInt64) {
        locked { contents in contents.reservations.beginMove(of: directory, in: &contents.tree) }
    }

    func endMove(of directory: UInt64) {
        end(waitedFor: nil) { contents in
            contents.reservations.endMove(of: directory, in: &contents.tree)
        }
    }

    /// Where a directory is, as soon as none above it is being moved.
    ///
    /// - Returns: Its path, its inode on the volume, and ``Reservations/moves``.
    /// - Throws: `ESTALE` or `ENOTDIR`.
    func place(
        ofDirectory number: UInt64
    ) throws(Errno) -> (path: [UInt8], inode: UInt64, moves: Int) {
        try wait(for: nil) { (contents) throws(Errno) in
            let node = try contents.tree.directory(number)
            guard !contents.reservations.isMoving(number, in: contents.tree) else { return nil }
            return (contents.tree.path(of: number), node.inode, contents.reservations.moves)
        }
    }
}
