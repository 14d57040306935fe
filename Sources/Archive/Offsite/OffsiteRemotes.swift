import Foundation
import Logging
import Offsite
import Storage
import System
import TagIndex

/// What a command asks to be added.
public struct RemoteRequest: Codable, Sendable {
    public var name: String
    /// The options of rclone, `type` among them.
    public var options: [String: String]
    public var path: String
    public var isEncrypted: Bool

    public init(name: String, location: RemoteLocation, isEncrypted: Bool) {
        self.name = name
        (options, path) = (location.options, location.path)
        self.isEncrypted = isEncrypted
    }
}

/// A remote that was added.
public struct AddedRemote: Codable, Sendable {
    public var name: String
    public var isEncrypted: Bool
    /// The kind of hash that its server keeps; `nil` when it keeps none.
    public var hash: String?
    /// What the keys can destroy there; `nil` when that could not be tried.
    public var wipeTest: ArchiveStatus.Remote.WipeTest?
    /// Why it could not be tried.
    public var wipeProblem: String?
    /// Images that are to go there.
    public var images: Int64
    public var bytes: Int64
}

/// The places away from this machine.
final class OffsiteRemotes: Sendable {
    let core: ArchiveCore
    let copies: OffsiteCopies
    private let images: ImageReader
    private let rejected: RejectedFiles
    private let rclone: Rclone
    /// One change of the remotes at a time.
    private let changing = Turn()

    private struct State {
        var loops: [String: RemoteLoop] = [:]
        /// Whether they work by themselves.
        var isRunning = false
    }

    private let state = Lock(State())

    init(
        _ core: ArchiveCore, images: ImageReader, rejected: RejectedFiles,
        rclone: Rclone = Rclone()
    ) {
        (self.core, self.images) = (core, images)
        (self.rejected, self.rclone) = (rejected, rclone)
        copies = OffsiteCopies(core, rclone: rclone)
    }

    // MARK: Lifetime

    /// Starts a thread for each remote.
    ///
    /// - Throws: `EAGAIN` when the system has no room for another thread.
    func start() throws(Errno) {
        state.withLock { $0.isRunning = true }
        let names = (try? core.index.read { try $0.remotes().map(\.name) }) ?? []
        for name in names { try loop(name).start() }
    }

    /// Ends the work under way, and the threads.
    func stop() {
        let loops = state.withLock { state in
            state.isRunning = false
            return Array(state.loops.values)
        }
        for loop in loops { loop.stop() }
    }

    private func loop(_ name: String) -> RemoteLoop {
        state.withLock { state in
            if let loop = state.loops[name] { return loop }
            let loop = RemoteLoop(
                name, core, images: images, rejected: rejected, rclone: rclone)
            state.loops[name] = loop
            return loop
        }
    }

    /// - Throws: ``ArchiveError`` when there is no such remote.
    private func existing(_ name: String) throws -> RemoteRecord {
        let remotes = try core.index.read { try $0.remotes() }
        if let remote = remotes.first(where: { $0.name == name }) { return remote }
        throw ArchiveError(
            .notFound, "There is no remote \"\(name)\".",
            remedy: remotes.isEmpty
                ? "Add one: pacsfs offsite add NAME REMOTE"
                : "There are: \(remotes.map(\.name).joined(separator: ", ")).")
    }

    // MARK: Changes

    /// Adds a remote: see ``Archive/addRemote(_:)``.
    func add(_ request: RemoteRequest) throws -> AddedRemote {
        try changing.take { try addNow(request) }
    }

    private func addNow(_ request: RemoteRequest) throws -> AddedRemote {
        let name = request.name
        let location = RemoteLocation(options: request.options, path: request.path)
        let remotes = try core.index.read { try $0.remotes() }
        guard !remotes.contains(where: { $0.name == name }) else {
            throw ArchiveError(
                .configuration, "There is a remote \"\(name)\" already.",
                remedy: "Choose another name, or remove it: pacsfs offsite remove \(name)")
        }
        // Checks the name and the place before anything is written.
        _ = try RemoteConfiguration(name: name, location: location)
        try requireOutside(location)
        var secrets = RemoteSecrets(
            name: name, id: UUID().uuidString.lowercased(), location: location,
            keys: request.isEncrypted ? .generated() : nil)
        // Those of an attempt that was interrupted: the marker may be there already.
        let earlier = try? RemoteSecrets(name, of: core.path)
        if let earlier, earlier.location == location,
            (earlier.keys != nil) == request.isEncrypted
        {
            secrets = earlier
        } else {
            try secrets.write(in: core.path)
        }
        let hash: HashKind?
        do {
            let access = try RemoteAccess(secrets.configuration(), rclone)
            _ = try access.claim(
                for: core.id, at: Timestamp(nanoseconds: core.clock.utc),
                lock: try loop(name).lockedUntil(access).map { ObjectLock(until: $0) })
            hash = try access.hashKind()
        } catch {
            if earlier == nil { RemoteSecrets.remove(name, in: core.path) }
            throw error
        }
        try core.catalogue.record([
            .remote(
                .add(
                    name, id: secrets.id, cipher: secrets.keys == nil ? nil : .rclone,
                    hash: hash?.name))
        ])
        let sums = try core.index.read { try $0.sums() }
        var added = AddedRemote(
            name: name, isEncrypted: request.isEncrypted, hash: hash?.name, images: sums.instances,
            bytes: sums.bytes)
        do {
            added.wipeTest = try loop(name).testWipe()
        } catch {
            added.wipeProblem = "\(error)"
        }
        if state.withLock({ $0.isRunning }) { try loop(name).start() }
        return added
    }

    /// A folder in a volume would be lost with it, and one in the archive's directory too.
    private func requireOutside(_ location: RemoteLocation) throws(ArchiveError) {
        guard location.options["type"] == "local" else { return }
        for place in core.volumes.members.map(\.place.path) + [core.path]
        where AbsolutePath.isInside(location.path, place) {
            throw ArchiveError(
                .configuration, "A remote cannot be a folder of the archive itself",
                path: location.path, remedy: "Name a folder on another machine or disk.")
        }
    }

    /// Stops using a remote: see ``Archive/removeRemote(_:)``.
    func remove(_ name: String) throws {
        try changing.take {
            _ = try existing(name)
            let loop = state.withLock { $0.loops.removeValue(forKey: name) }
            loop?.stop()
            try core.catalogue.record([.remote(.remove(name))])
            RemoteSecrets.retire(
                name, in: core.path, at: Timestamp(nanoseconds: core.clock.utc))
        }
    }

    /// Brings away what waits: see ``Archive/pushRemote(_:progress:)``.
    func push(
        _ name: String, _ show: @escaping (PushProgress) -> Void
    ) throws -> [String] {
        _ = try existing(name)
        return try loop(name).push(show)
    }

    /// Compares a remote with the ledger: see ``Archive/checkRemote(_:isFetching:progress:)``.
    func check(
        _ name: String, isFetching: Bool, _ show: @escaping (CheckProgress) -> Void
    ) throws -> RemoteCheckReport {
        _ = try existing(name)
        return try loop(name).check(isFetching: isFetching, show)
    }

    /// Tries to destroy canaries: see ``Archive/testWipe(of:)``.
    func testWipe(_ name: String) throws -> ArchiveStatus.Remote.WipeTest {
        _ = try existing(name)
        return try loop(name).testWipe()
    }

    /// Believes nothing of a remote any more: see ``Archive/forgetRemote(_:)``.
    func forget(_ name: String) throws {
        _ = try existing(name)
        try loop(name).forget()
    }

    // MARK: Status

    /// How each remote is.
    func status() throws -> [ArchiveStatus.Remote] {
        let (remotes, sums) = try core.index.read { (try $0.remotes(), try $0.sums()) }
        return try remotes.map { remote in
            let loop = state.withLock { $0.loops[remote.name] }
            return try ArchiveStatus.Remote(
                remote, sums, loop?.state ?? RemoteState(), core,
                firstPending: { try loop?.firstPending(remote) ?? self.firstPending(remote) })
        }
    }

    private func firstPending(_ remote: RemoteRecord) throws -> PendingImage? {
        try core.index.read { try $0.firstPending(onRemote: remote.id, after: 0) }
    }
}

extension Archive {
    /// Adds a place away from this machine; everything is brought there from then on.
    ///
    /// - Throws: ``ArchiveError`` when it cannot be used; nothing is recorded then.
    public func addRemote(_ request: RemoteRequest) throws(ArchiveError) -> AddedRemote {
        try ArchiveError.from { try offsite.add(request) }
    }

    /// Stops using a remote. What lies there stays, and is not believed to be there any more.
    ///
    /// - Throws: ``ArchiveError`` when there is none of this name.
    public func removeRemote(_ name: String) throws(ArchiveError) {
        try ArchiveError.from { try offsite.remove(name) }
    }

    /// Brings everything to a remote that it does not have, and returns when it is proven to be
    /// there and recorded.
    ///
    /// - Parameter progress: Called on the calling thread.
    /// - Returns: Why something did not go, a sentence each.
    /// - Throws: ``ArchiveError`` that says why the rest did not go.
    public func pushRemote(
        _ name: String, progress: @escaping (PushProgress) -> Void = { _ in }
    ) throws(ArchiveError) -> [String] {
        try ArchiveError.from { try offsite.push(name, progress) }
    }

    /// Compares a remote with what was recorded of it, with one listing, and records the result.
    /// What is not as it was is brought there again.
    ///
    /// - Parameters:
    ///   - isFetching: Whether every object is fetched and hashed too.
    ///   - progress: Called on the calling thread.
    /// - Throws: ``ArchiveError`` that says why it could not be compared.
    public func checkRemote(
        _ name: String, isFetching: Bool = false,
        progress: @escaping (CheckProgress) -> Void = { _ in }
    ) throws(ArchiveError) -> RemoteCheckReport {
        try ArchiveError.from { try offsite.check(name, isFetching: isFetching, progress) }
    }

    /// Tries, with the keys of this machine, to overwrite and to delete objects on a remote that
    /// are made for that, and records what became of them.
    ///
    /// - Throws: ``ArchiveError`` that says why nobody can tell.
    public func testWipe(
        of name: String
    ) throws(ArchiveError) -> ArchiveStatus.Remote.WipeTest {
        try ArchiveError.from { try offsite.testWipe(name) }
    }

    /// Believes nothing to be on a remote until it is proven again.
    ///
    /// - Throws: ``ArchiveError`` when there is none of this name.
    public func forgetRemote(_ name: String) throws(ArchiveError) {
        try ArchiveError.from { try offsite.forget(name) }
    }

    /// The names of the remotes, in the order in which they were added.
    ///
    /// - Throws: ``ArchiveError`` when the index cannot be read.
    public func remoteNames() throws(ArchiveError) -> [String] {
        try ArchiveError.from { try core.index.read { try $0.remotes().map(\.name) } }
    }

    /// How each remote is.
    ///
    /// - Throws: ``ArchiveError`` when the index cannot be read.
    public func remoteStatus() throws(ArchiveError) -> [ArchiveStatus.Remote] {
        try ArchiveError.from { try offsite.status() }
    }
}
