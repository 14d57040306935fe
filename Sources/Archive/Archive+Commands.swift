import Naming
import Storage
import TagIndex

// The commands: what `pacsfs status`, `scrub`, `volume` and `reload` do.
extension Archive {
    // MARK: Status

    /// The state of the archive.
    ///
    /// - Parameters:
    ///   - pending: How many files wait in `/incoming`; `nil` counts those on disk.
    ///   - readMode: `nil` while the archive is not mounted.
    ///   - mountpoint: `nil` while the archive is not mounted.
    /// - Throws: ``ArchiveError`` when the index cannot be read.
    public func status(
        pending: Int?, readMode: ArchiveStatus.ReadMode?, mountpoint: String?
    ) throws(ArchiveError) -> ArchiveStatus {
        let report = StatusReport(
            core: core, unpacking: intake.zips.all, resilver: maintenance.resilver.progress,
            rejected: rejected, waiting: maintenance.waiting, offsite: offsite,
            restoring: maintenance.restores.sentence, restore: maintenance.restores.status,
            drills: maintenance.drills,
            viewsProblem: maintenance.views.problem, configurationProblem: configuration.problem,
            alerts: maintenance.alerts.report, removable: maintenance.removable)
        return try ArchiveError.from {
            try report.status(pending: pending, readMode: readMode, mountpoint: mountpoint)
        }
    }

    /// When and why the index was last made anew, by a start or by `pacsfs rebuild`; `nil` when
    /// it never was.
    public var indexRebuilt: IndexRebuilt? { IndexOpening.note(of: path) }

    /// Why new images have fewer copies than `copies` asks for, and what to do; `nil` when they
    /// have enough.
    public var copiesProblem: String? { core.copiesProblem }

    // MARK: Copies

    /// Makes the missing copies, and returns when that is done.
    ///
    /// - Throws: ``ArchiveError`` when the ledger cannot be written.
    public func makeMissingCopies() throws(ArchiveError) -> ResilverProgress {
        try ArchiveError.from {
            try maintenance.resilver.run()
            return maintenance.resilver.progress
        }
    }

    /// Reads all copies on volumes now, heals bad ones, and records what was found. A scrub that
    /// was interrupted is continued.
    ///
    /// - Parameters:
    ///   - names: Paths or ordinals of volumes; none means all that are there.
    ///   - rate: Bytes per second; `nil` for no limit.
    ///   - shouldStop: Called from any thread; once it returns true, reading ends.
    ///   - progress: Called after every copy that was read, on the calling thread.
    /// - Throws: ``ArchiveError`` when there is no such volume, or the ledger cannot be written.
    public func scrub(
        _ names: [String] = [], rate: Int64? = nil,
        shouldStop: @escaping @Sendable () -> Bool = { false },
        progress: (ScrubProgress) -> Void = { _ in }
    ) throws(ArchiveError) -> ScrubReport {
        try ArchiveError.from {
            try maintenance.scrubs.scrub(
                names, rate: rate, shouldStop: shouldStop, progress: progress)
        }
    }

    // MARK: Views

    /// The views that are to be shown: those of `pacsfs.toml`, or the present ones when that
    /// names none.
    public var wantedViews: [View] { core.wantedViews }

    /// Makes the views that `pacsfs.toml` asks for, and returns when they are shown.
    ///
    /// - Throws: ``ArchiveError`` when the ledger cannot be written.
    public func makeViews() throws(ArchiveError) {
        try ArchiveError.from { try maintenance.views.make() }
    }

    // MARK: Configuration

    /// Reads `pacsfs.toml` again. Views, `settle`, `ignore`, `ignore_case` and `[scrub]` are in
    /// use at once.
    ///
    /// - Parameter mountpoint: Where the archive is shown; the daemon does not look into that.
    /// - Throws: ``ArchiveError`` that names the mistake and its place; nothing was changed then.
    public func reload(
        keptOutside mountpoint: String? = nil
    ) throws(ArchiveError) -> ReloadSummary {
        try configuration.reload(keptOutside: mountpoint)
    }

    /// The problems that the next start will have with the volumes of `settings`, a sentence each.
    ///
    /// - Parameter path: The archive's directory; no process needs to have it open.
    /// - Throws: ``ArchiveError`` when it is not an archive.
    public static func notes(
        onVolumesOf settings: Settings, of path: String
    ) throws(ArchiveError) -> [String] {
        try Configuration.notes(onVolumesOf: settings, of: path)
    }

    // MARK: Volumes

    /// Makes a folder a further volume of the archive.
    ///
    /// - Parameters:
    ///   - path: An absolute path; the folder is empty or not there yet.
    ///   - domain: Its failure domain; `nil` for one of its own.
    /// - Throws: ``ArchiveError``; nothing was changed then, or the same call goes on.
    public func addVolume(at path: String, domain: String?) throws(ArchiveError) -> VolumeChange {
        try administration.add(at: path, domain: domain)
    }

    /// Makes a folder a removable volume: it gets everything whenever it is there, and nothing
    /// counts on it.
    ///
    /// - Parameter path: An absolute path; the folder is empty or not there yet.
    /// - Throws: ``ArchiveError``; nothing was changed then, or the same call goes on.
    public func addRemovable(at path: String) throws(ArchiveError) -> VolumeChange {
        try ArchiveError.from {
            for other in volumes.members.map(\.place.path) + [self.path]
            where Archive.lieInOneAnother(path, other) {
                throw ArchiveError(
                    .configuration, "\(path) and \(other) lie in one another",
                    remedy: "Name a folder on a disk of its own.")
            }
            try maintenance.removable.add(at: path)
            try configuration.change { file in
                if !file.hasVolume(at: path) { file.addRemovable(at: path) }
            }
            core.currentSettings.replace { settings in
                if !settings.removable.contains(path) { settings.removable.append(path) }
            }
            maintenance.removable.wake()
            let images = try index.read { try $0.totals() }.instances
            return VolumeChange(ordinal: 0, path: path, images: images)
        }
    }

    /// Begins to empty a volume. Its images are copied to the others, then it leaves the archive;
    /// the files on it stay as they are.
    ///
    /// - Parameter name: Its path or ordinal.
    /// - Throws: ``ArchiveError`` when too few volumes would be left.
    public func retireVolume(_ name: String) throws(ArchiveError) -> VolumeChange {
        let isRemovable = try ArchiveError.from { try retireRemovable(name) }
        guard isRemovable else { return try administration.retire(name) }
        return VolumeChange(ordinal: 0, path: name, images: 0, isRemovable: true)
    }

    private func retireRemovable(_ path: String) throws -> Bool {
        guard core.settings.removable.contains(path) else { return false }
        try configuration.change { file in
            if file.hasVolume(at: path) { try file.removeVolume(at: path) }
        }
        core.currentSettings.replace { settings in settings.removable.removeAll { $0 == path } }
        return try maintenance.removable.remove(at: path)
    }

    /// Puts an empty folder in the place of a lost volume.
    ///
    /// - Parameters:
    ///   - name: The lost volume's path or ordinal.
    ///   - path: An absolute path; `nil` when the new disk is mounted where the old one was.
    ///   - acceptingLoss: Goes on even if images had their only copy on it.
    ///   - acceptingSharedDisk: Goes on even if the lost volume had a disk of its own, and the new
    ///     folder has not.
    /// - Throws: ``ArchiveError`` when the volume is not lost, or images would be.
    public func replaceVolume(
        _ name: String, with path: String?, acceptingLoss: Bool = false,
        acceptingSharedDisk: Bool = false
    ) throws(ArchiveError) -> VolumeChange {
        try administration.replace(
            name, with: path, acceptingLoss: acceptingLoss,
            acceptingSharedDisk: acceptingSharedDisk)
    }
}
