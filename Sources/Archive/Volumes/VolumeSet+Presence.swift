import Storage
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

    /// Notices what is not in its place any more, or cannot be written to; before every write.
    func check() {
        for member in members {
            guard let volume = member.volume else { continue }
            do throws(StorageError) {
                try volume.requireInPlace()
                if try volume.space().isReadOnly { noteReadOnly(true, volume) }
            } catch {
                lose(volume, because: "\(error)")
            }
        }
    }

    /// Asks the disk for a block, and the kernel whether it can be written to. A volume that
    /// was read-only is believed to be mended when it has taken a file.
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
            suspect(volume, error)
        }
    }

    /// After an error of a volume: finds out whether it is the volume's fault.
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
            // No room is no failure, and no room for descriptors is ours.
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

    /// Lets a volume go that is not there any more: its files are closed, so that its disk can
    /// be unmounted and mounted again.
    func lose(_ volume: Volume, because problem: String) {
        let changed = state.withLock { state in
            guard let index = state.members.firstIndex(where: { $0.volume === volume }) else {
                return false
            }
            state.members[index].volume = nil
            state.members[index].isReadOnly = false
            state.members[index].problem = problem
            if state.staging === volume {
                state.staging = Self.staging(of: state.members) ?? volume
            }
            return true
        }
        guard changed else { return }
        volume.release()
        reportLoss(of: volume, problem)
    }

    /// Notes why a volume cannot be taken up; true when that is news.
    func note(_ problem: String, at path: String) -> Bool {
        state.withLock { state in
            guard
                let index = state.members.firstIndex(where: {
                    $0.place.path == path && $0.volume == nil
                }),
                state.members[index].problem != problem
            else { return false }
            state.members[index].problem = problem
            return true
        }
    }

    /// Opens an absent volume's folder, when it is one of ours that is missing.
    ///
    /// - throws: `StorageError` that says what is there instead
    func open(at path: String) throws(StorageError) -> Volume {
        let volume = try Volume.open(at: path, archive: archive)
        let members = members
        if let other = members.first(where: { $0.volume?.identity.volume == volume.identity.volume }
        ) {
            throw Self.clone(at: path, of: other)
        }
        guard let own = members.first(where: { $0.place.path == path }) else { return volume }
        if members.contains(where: { $0.id == volume.identity.volume && $0.state == .retired }) {
            throw Self.retired(volume)
        }
        // Another volume of the archive may have come to this path, if it is missing elsewhere.
        let isKnown = members.contains { $0.id == volume.identity.volume }
        guard own.id == nil || own.id == volume.identity.volume || isKnown else {
            throw StorageError(
                .notAVolume,
                "this is volume \(volume.identity.ordinal), which the archive does not use",
                path: path,
                remedy:
                    "Mount the right disk here, or add this one with pacsfs volume add in an empty folder"
            )
        }
        try volume.claim()
        return volume
    }

    /// Takes up a volume that is there again; false when it is none of ours any more.
    @discardableResult
    func put(_ volume: Volume) -> Bool {
        state.withLock { state in
            let index =
                state.members.firstIndex { $0.volume == nil && $0.id == volume.identity.volume }
                ?? state.members.firstIndex { $0.volume == nil && $0.place.path == volume.path }
            guard let index else { return false }
            Self.put(volume, into: &state.members[index])
            // The last one that was left may have gone as well.
            if !state.members.contains(where: { $0.volume === state.staging }) {
                state.staging = Self.staging(of: state.members) ?? volume
            }
            return true
        }
    }

    /// Takes over what the ledger says of the volumes. One that is retired or was replaced is
    /// not used, wherever it turns up.
    ///
    /// - returns: whether `/incoming` is on another volume now, because its own is being emptied
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

    /// Notes why a volume that retires is still needed; true when that is news.
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
            "this volume was retired or replaced, and is no part of the archive any more",
            path: volume.path,
            remedy: "Take it out of pacsfs.toml; to use the disk again, add an empty folder on it")
    }

    /// Adds a volume that was made just now.
    func add(_ volume: Volume, at place: Settings.VolumePlace) {
        state.withLock { state in
            var member = Member(place: place, ordinal: volume.identity.ordinal)
            Self.put(volume, into: &member)
            state.members.append(member)
        }
    }

    /// Takes a volume out of the archive.
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
