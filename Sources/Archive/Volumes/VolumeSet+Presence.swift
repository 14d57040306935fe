import Storage
import System
import TagIndex

// Volumes that come and go.
extension VolumeSet {
    /// Has `body` called with each volume that goes, before the thread that noticed it goes on;
    /// until ``release()``.
    ///
    /// - Parameter body: The reason is `nil` for a volume that has left the archive.
    func observeLoss(_ body: @escaping @Sendable (Volume, _ problem: String?) -> Void) {
        onLoss.withLock { $0 = body }
    }

    private func reportLoss(of volume: Volume, _ problem: String?) {
        onLoss.withLock { $0 }?(volume, problem)
    }

    /// Finds volumes that are not in their places any more, or cannot be written to; called before
    /// every write.
    func check() {
        for volume in online { check(volume) }
    }

    func check(_ volume: Volume) {
        do throws(StorageError) {
            // One call on the disk: this is asked before every write.
            let space = try volume.onDisk { () throws(StorageError) in
                try volume.requireInPlace()
                return try volume.space()
            }
            state.withLock { state in
                guard let index = state.members.firstIndex(where: { $0.volume === volume }) else {
                    return
                }
                state.members[index].space = space
            }
            if space.isReadOnly { noteReadOnly(true, volume) }
        } catch {
            lose(volume, because: "\(error)")
        }
    }

    /// The same for those who must not wait for a disk: what a disk does not say at once is known
    /// from the last time.
    func checkBriefly() {
        guard let patience else { return check() }
        let pending = online.map { volume in
            looks.withLock { underWay in
                let key = ObjectIdentifier(volume)
                if let look = underWay[key] { return look }
                let look = patience.begin(
                    otherwise: { [path = volume.path] in
                        StorageError.notAnswering(path, after: patience.limit)
                    }
                ) { [self] () throws(StorageError) in
                    check(volume)
                    looks.withLock { _ = $0.removeValue(forKey: key) }
                }
                underWay[key] = look
                return look
            }
        }
        let deadline = SystemClock().now + Self.moment
        for look in pending { _ = look.wait(until: deadline) }
    }

    /// What counts as at once, ns.
    private static let moment: Int64 = 200_000_000

    /// Reads a block from the disk, and checks the mount options. A volume that was read-only
    /// counts as repaired once it has taken a file.
    func probe(_ volume: Volume) {
        do throws(StorageError) {
            try volume.probe()
            if try volume.isMountedReadOnly() {
                noteReadOnly(true, volume)
            } else if !isWritable(volume) {
                try volume.probeWriting()
                noteReadOnly(false, volume)
            }
        } catch {
            // Its identity is damaged, or something else has the name: it would not be taken up.
            if [.corrupt, .newerFormat].contains(error.code) {
                return lose(volume, because: "\(error)")
            }
            suspect(volume, error)
        }
    }

    /// After an error on a volume: finds out whether the volume has failed.
    func suspect(_ volume: Volume, _ error: any Error) {
        guard let error = error as? StorageError,
            [.io, .readOnly, .notFound, .notAVolume, .permissionDenied].contains(error.code)
        else { return }
        do throws(StorageError) {
            try volume.requireInPlace()
            try volume.probe()
            if try volume.isMountedReadOnly() {
                noteReadOnly(true, volume)
            } else {
                try volume.probeWriting()
            }
        } catch let failure {
            if failure.code == .readOnly { return noteReadOnly(true, volume) }
            // A full disk has not failed, and a lack of descriptors or memory is ours.
            if failure.code == .noSpace || failure.isOfThisProcess { return }
            lose(volume, because: "\(failure)")
        }
    }

    private func noteReadOnly(_ isReadOnly: Bool, _ volume: Volume) {
        let changed = state.withLock { state in
            guard let index = state.members.firstIndex(where: { $0.volume === volume }),
                state.members[index].isReadOnly != isReadOnly
            else { return false }
            state.members[index].isReadOnly = isReadOnly
            state.members[index].problem = isReadOnly ? Self.readOnlyProblem(volume) : nil
            if isReadOnly, state.staging === volume {
                state.staging = Self.staging(of: state.members) ?? volume
            }
            return true
        }
        if changed, isReadOnly { reportLoss(of: volume, Self.readOnlyProblem(volume)) }
    }

    /// Gives up a volume that is not there any more: its files are closed, so that its disk can be
    /// unmounted and mounted again.
    func lose(_ volume: Volume, because problem: String) {
        guard takeOut(volume, because: problem) else { return }
        volume.release()
        reportLoss(of: volume, problem)
    }

    /// Has the volume go as soon as its disk is given up.
    func watch(_ volume: Volume) {
        volume.calls?.onGivingUp { [weak self, weak volume] in
            guard let self, let volume else { return }
            let patience = volume.calls?.patience
            let problem = "\(StorageError.notAnswering(volume.path, after: patience?.limit ?? 0))"
            guard takeOut(volume, because: problem) else { return }
            // Observers may have to wait for those who wait for the disk.
            patience?.start { [self] in
                reportLoss(of: volume, problem)
                volume.release()
            }
        }
    }

    /// - Returns: False when it has gone already.
    private func takeOut(_ volume: Volume, because problem: String) -> Bool {
        state.withLock { state in
            guard let index = state.members.firstIndex(where: { $0.volume === volume }) else {
                return false
            }
            state.members[index].volume = nil
            state.members[index].isReadOnly = false
            state.members[index].exposure = nil
            state.members[index].problem = problem
            state.members[index].space = nil
            if let disk = volume.calls, disk.hasGivenUp {
                state.members[index].givenUp.append(disk)
            }
            if state.staging === volume {
                state.staging = Self.staging(of: state.members) ?? volume
            }
            return true
        }
    }

    /// Whether calls on the disk at a path have still not returned: nothing is done there before.
    /// Calls on a disk that was there earlier do not count; they may never return.
    func isStuck(at path: String) -> Bool {
        let device = MountedFileSystem.holding(path)?.device
        return state.withLock { state in
            guard let index = state.members.firstIndex(where: { $0.place.path == path }) else {
                return false
            }
            state.members[index].givenUp.removeAll { !$0.isBusy }
            return state.members[index].givenUp.contains {
                $0.device == nil || $0.device == device
            }
        }
    }

    /// Notes whether others can change a volume that is in use. It stays in use: to give it up
    /// would leave less of the archive than to go on.
    ///
    /// - Returns: Why they can, when that is new.
    func noteExposure(of volume: Volume) -> String? {
        // A disk that does not answer is another matter.
        let found: String?
        do throws(StorageError) { found = try volume.exposure().map { "\($0)" } } catch {
            return nil
        }
        return state.withLock { state in
            guard let index = state.members.firstIndex(where: { $0.volume === volume }),
                state.members[index].exposure != found
            else { return nil }
            state.members[index].exposure = found
            return found
        }
    }

    /// Notes why a volume cannot be taken up.
    ///
    /// - Parameter isRefused: Whether it is there, and others can change it.
    /// - Returns: Whether that is new.
    func note(_ problem: String, isRefused: Bool, at path: String) -> Bool {
        state.withLock { state in
            guard
                let index = state.members.firstIndex(where: {
                    $0.place.path == path && $0.volume == nil
                }),
                state.members[index].problem != problem
            else { return false }
            state.members[index].problem = problem
            state.members[index].isRefused = isRefused
            return true
        }
    }

    /// Opens the folder of an absent volume.
    ///
    /// - Throws: `StorageError` that says what is there instead.
    func open(at path: String) throws(StorageError) -> Volume {
        let disk = patience.map { DiskCalls($0, holding: path) }
        let volume: Volume
        do throws(StorageError) {
            volume = try Volume.open(at: path, archive: archive, disk: disk)
        } catch {
            if let disk, disk.hasGivenUp {
                state.withLock { state in
                    let index = state.members.firstIndex { $0.place.path == path }
                    if let index { state.members[index].givenUp.append(disk) }
                }
            }
            throw error
        }
        let members = members
        if let other = members.first(where: { $0.volume?.identity.volume == volume.identity.volume }
        ) {
            throw Self.clone(at: path, of: other)
        }
        guard let own = members.first(where: { $0.place.path == path }) else { return volume }
        if members.contains(where: { $0.id == volume.identity.volume && $0.state == .retired }) {
            throw Self.retired(volume)
        }
        // Another absent volume of the archive may have been mounted at this path.
        let isKnown = members.contains { $0.id == volume.identity.volume }
        guard own.id == nil || own.id == volume.identity.volume || isKnown else {
            throw StorageError(
                .notAVolume,
                "this is volume \(volume.identity.ordinal), which the archive does not use",
                path: path,
                remedy:
                    """
                    Mount the right disk here; to use this one, add an empty folder on it: \
                    pacsfs volume add DIR
                    """
            )
        }
        try volume.claim()
        return volume
    }

    /// Adds a volume that is there again.
    ///
    /// - Returns: False when it does not belong to the archive any more.
    @discardableResult
    func put(_ volume: Volume) -> Bool {
        var new = Member(place: .init(path: volume.path, domain: ""), ordinal: 0)
        Self.put(volume, into: &new)
        let isPut = state.withLock { [new] state in
            let index =
                state.members.firstIndex { $0.volume == nil && $0.id == volume.identity.volume }
                ?? state.members.firstIndex { $0.volume == nil && $0.place.path == volume.path }
            guard let index else { return false }
            state.members[index].volume = volume
            state.members[index].ordinal = new.ordinal
            state.members[index].id = new.id
            state.members[index].isRefused = false
            state.members[index].isReadOnly = new.isReadOnly
            state.members[index].problem = new.problem
            state.members[index].space = new.space
            // The volume of incoming may have gone as the last one.
            if !state.members.contains(where: { $0.volume === state.staging }) {
                state.staging = Self.staging(of: state.members) ?? volume
            }
            return true
        }
        if isPut { watch(volume) }
        return isPut
    }

    /// Applies the ledger's records about the volumes. A volume that is retired or was replaced is
    /// not used, wherever it turns up.
    ///
    /// - Returns: Whether `/incoming` is on another volume now, because its own is being emptied.
    @discardableResult
    func adopt(_ records: [VolumeRecord]) -> Bool {
        let before = staging
        let retired = state.withLock { state in
            for index in state.members.indices {
                guard
                    let record = records.first(where: { $0.ordinal == state.members[index].ordinal }
                    )
                else { continue }
                state.members[index].state = record.state
                state.members[index].id = record.id
            }
            if state.members.contains(where: {
                $0.volume === state.staging && $0.state == .retiring
            }) {
                state.staging = Self.staging(of: state.members) ?? state.staging
            }
            return state.members.filter { $0.state == .retired }.compactMap(\.volume)
        }
        for volume in retired { lose(volume, because: "\(Self.retired(volume))") }
        return staging !== before
    }

    /// Notes why a retiring volume is still needed.
    ///
    /// - Returns: Whether that is new.
    func note(waiting problem: String?, of ordinal: Int) -> Bool {
        state.withLock { state in
            guard
                let index = state.members.firstIndex(where: {
                    $0.ordinal == ordinal && $0.volume != nil && !$0.isReadOnly
                }),
                state.members[index].problem != problem
            else { return false }
            state.members[index].problem = problem
            return problem != nil
        }
    }

    private static func retired(_ volume: Volume) -> StorageError {
        StorageError(
            .notAVolume,
            "this volume was retired or replaced, and does not belong to the archive any more",
            path: volume.path,
            remedy:
                """
                Remove it from pacsfs.toml; to use the disk again, add an empty folder on it: \
                pacsfs volume add DIR
                """
        )
    }

    /// Adds a new volume.
    func add(_ volume: Volume, at place: Settings.VolumePlace) {
        var member = Member(place: place, ordinal: volume.identity.ordinal)
        Self.put(volume, into: &member)
        state.withLock { [member] state in state.members.append(member) }
        watch(volume)
    }

    /// Removes a volume from the archive.
    func remove(_ ordinal: Int) {
        let volume = state.withLock { state in
            let volume = state.members.first { $0.ordinal == ordinal }?.volume
            state.members.removeAll { $0.ordinal == ordinal }
            if let volume, state.staging === volume {
                state.staging = Self.staging(of: state.members) ?? volume
            }
            return volume
        }
        guard let volume else { return }
        volume.release()
        reportLoss(of: volume, nil)
    }

    /// Releases all volumes, for another process or another archive of this one. Losses are not
    /// reported any more.
    func release() {
        onLoss.withLock { $0 = nil }
        for volume in online { volume.release() }
    }
}
