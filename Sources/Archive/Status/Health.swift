/// The answer to "are we safe?", in words for the person who is responsible for the practice.
public struct Health: Codable, Sendable {
    public enum Level: String, Codable, Sendable, CaseIterable, Comparable {
        /// Every image is stored as often as it must be, and new ones can be.
        case safe
        /// Nothing is in danger, but somebody should look.
        case attention
        /// Images are lost, or would be with one more disk.
        case risk

        public static func < (left: Level, right: Level) -> Bool { left.order < right.order }
        private var order: Int { self == .safe ? 0 : self == .attention ? 1 : 2 }
    }

    public var level: Level
    /// One sentence.
    public var headline: String
    /// All that is not as it should be, the worst first; each with what to do.
    public var reasons: [String]
}

extension Health {
    /// Something that somebody should look at, and that the archive itself cannot know. The first
    /// line says it, whatever else that says.
    public mutating func add(attention text: String) {
        reasons.append(text)
        if level == .safe {
            level = .attention
            headline = "ATTENTION: \(text)"
        } else {
            headline += " Also: \(text)"
        }
    }

    /// The archive is not mounted: what is safe is safe, but of no use to anybody.
    ///
    /// - Parameter remedy: How to mount it.
    public mutating func add(unmounted remedy: String) {
        let text = "The archive is not mounted: nobody can see images or add any. \(remedy)"
        guard level == .safe else { return add(attention: text) }
        reasons.append(text)
        level = .attention
        headline = "NOT MOUNTED: nobody can see images or add any. \(remedy) \(headline)"
    }

    /// Judges a status.
    init(of status: ArchiveStatus) {
        var findings: [(level: Level, text: String)] = []
        func add(_ level: Level, _ text: String) { findings.append((level, text)) }
        let copies = status.copies
        let images = Self.images(status.blobs)
        let readable = status.volumes.filter { $0.state != .absent }
        let missing = status.volumes.filter { $0.state == .absent }

        for volume in missing where volume.isHung {
            add(
                readable.isEmpty && status.instances > 0 ? .risk : .attention,
                """
                The disk of \(volume.path) does not answer. See dmesg, and look at its cable and \
                its power; the volume is used again as soon as it answers. If the disk is dead: \
                pacsfs volume replace \(volume.path) [NEW-DIR]
                """
            )
        }
        if readable.isEmpty, status.instances > 0, missing.contains(where: { !$0.isHung }) {
            add(.risk, "None of the volumes is there. Plug in and mount their disks.")
        }
        if copies.lost > 0, let restoring = status.restoring {
            add(.risk, restoring)
        } else if copies.lost > 0 {
            add(
                .risk,
                """
                \(Self.grouped(copies.lost)) of \(images) \
                \(copies.lost == 1 ? "has" : "have") no good copy \
                left. If the original is still on the machine that took it, copy it into incoming \
                again; what is left of the damaged copies is in rejected/bad-blobs of the volumes.
                """
            )
        }
        if copies.offlineOnly > 0, !readable.isEmpty {
            add(
                .risk,
                """
                \(Self.grouped(copies.offlineOnly)) of \(images) cannot be read: all copies are \
                on volumes that \
                are not here. Bring back \(missing.map(\.path).joined(separator: " or ")).
                """
            )
        }
        let isArchiveFull = ArchiveDisk.isFull(status.archiveFree)
        if isArchiveFull {
            add(
                .attention,
                """
                New images are refused: the disk of \(status.archive), with the index and the \
                log, is full. Make room there; the archive goes on by itself.
                """
            )
        }
        let cost = Self.cost(status)
        if let cost { add(.attention, cost) }
        // What one failed disk would cost has been said when a volume is away.
        if copies.single > 0, cost == nil || missing.isEmpty, copies.wanted > 1 {
            if status.resilver.isRunning {
                add(
                    .attention,
                    """
                    \(Self.grouped(copies.single)) of \(images) \
                    \(copies.single == 1 ? "has" : "have") one copy \
                    only; the second is being made now.
                    """
                )
            } else {
                // With a disk away every image has one copy within reach: that is mended by
                // plugging it in. Without, there is nothing that will mend it by itself.
                add(
                    missing.isEmpty ? .risk : .attention,
                    """
                    \(Self.grouped(copies.single)) of \(images) \
                    \(copies.single == 1 ? "has" : "have") one copy \
                    only. 
                    """
                        + (missing.isEmpty
                            ? "Make room or add a volume: pacsfs volume add DIR"
                            : "Bring back \(missing.map(\.path).joined(separator: " and "))."))
            }
        }
        if let damage = status.indexDamage {
            add(
                .attention,
                """
                The index is damaged, and folders may lack images (\(damage)). No image is lost: \
                unmount the archive and mount it again, which makes the index anew.
                """
            )
        }
        if let problem = status.configurationProblem {
            add(.attention, "\(problem) Correct the file, then: pacsfs reload")
        }
        let takers = Self.takers(status)
        // With a volume away, the sentence about that one says so.
        if takers < copies.minimum, missing.isEmpty {
            add(
                .attention,
                """
                New images are refused: each is to be stored on \(copies.minimum) volumes, and \
                only \(takers) \(takers == 1 ? "takes" : "take") files. Add a volume: \
                pacsfs volume add DIR
                """
            )
        }
        let few = copies.underReplicated - copies.single - copies.lost
        if few > 0, cost == nil || missing.isEmpty {
            add(
                .attention,
                """
                \(Self.grouped(few)) of \(images) \(few == 1 ? "has" : "have") \
                fewer than \(copies.wanted) \
                copies
                """
                    + (status.resilver.isRunning
                        ? "; more are being made now."
                        : status.volumes.count < copies.wanted
                            ? ". Add a volume: pacsfs volume add DIR" : "."))
        }
        let crowded = copies.fewDisks - max(copies.oneDisk, few + copies.single)
        if crowded > 0, missing.isEmpty {
            add(
                .attention,
                """
                \(Self.grouped(crowded)) of \(images) \(crowded == 1 ? "is" : "are") on fewer than \
                \(copies.wanted) disks. Add a volume on another disk: pacsfs volume add DIR
                """
            )
        }
        for volume in status.volumes
        where !volume.isHung && (cost == nil || !Self.isGone(volume) || volume.isRefused) {
            if let text = Self.finding(about: volume, status) { add(.attention, text) }
            if let text = volume.exposure { add(.attention, text) }
        }
        if status.rejectedUnderReplicated > 0 {
            let count = status.rejectedUnderReplicated
            add(
                .attention,
                """
                \(Self.grouped(count)) of the files in rejected \(count == 1 ? "has" : "have") \
                fewer than \(copies.wanted) copies. They are made when there are volumes and room \
                for them.
                """
            )
        }
        if status.incoming.underReplicated > 0 {
            let count = status.incoming.underReplicated
            add(
                .attention,
                """
                \(count) of the files that wait in incoming \(count == 1 ? "has" : "have") fewer \
                than \(copies.wanted) copies. They are made when there are volumes and room for \
                them.
                """
            )
        }
        // Also while no image lacks a copy yet.
        let staying = status.volumes.count { $0.state != .retiring }
        if takers >= copies.minimum, copies.underReplicated == 0,
            let text = TooFewVolumes.text(
                wanted: copies.wanted, minimum: copies.minimum, takers: staying)
        {
            add(.attention, text)
        }
        // A read-only volume takes no records; its own finding says so.
        let unwritten = status.volumes.filter { volume in
            [.online, .failing, .retiring].contains(volume.state)
                && !status.ledger.ordinals.contains { $0 == volume.ordinal }
        }
        if !unwritten.isEmpty {
            let isRefusing = status.ledger.ordinals.count < status.copies.minimum
            add(
                .attention,
                """
                The catalogue is not written on \
                \(unwritten.map(\.path).joined(separator: " and ")), so \
                \(unwritten.count == 1 ? "it is" : "they are") no full copy of the \
                archive\(isRefusing ? ", and new images are refused" : ""). \
                The log says why: a full disk or damage; pacsfs verify finds that.
                """
            )
        }
        for volume in status.removable {
            guard volume.state == .incomplete, let problem = volume.problem else { continue }
            add(.attention, "The removable volume \(volume.path) is not complete: \(problem)")
        }
        if let problem = status.alerts.problem {
            add(
                .attention,
                """
                The alert_command of pacsfs.toml has failed, so nobody may hear of trouble. \
                \(problem) It is tried again by itself; after a correction: pacsfs reload
                """)
        }
        if let text = status.verification.finding { add(.attention, text) }
        for refusal in status.refusals { add(.attention, refusal.text) }
        if takers >= copies.minimum, !isArchiveFull,
            let text = Self.finding(about: status.freeSpace)
        {
            add(.attention, text)
        }
        // Without room for records they cannot be made either; a finding above says so.
        if takers >= copies.minimum, let problem = status.viewsProblem {
            add(.attention, "The views of pacsfs.toml cannot be made: \(problem)")
        }

        let worst = findings.map(\.level).max() ?? .safe
        let sorted = findings.filter { $0.level == .risk } + findings.filter { $0.level != .risk }
        var worstText = sorted.first?.text ?? ""
        // What one failed disk would cost is no news for who tries pacsfs on one disk: what else
        // there is comes into the same line.
        if worst == .attention, let cost, sorted.count > 1 {
            worstText = cost
            if let other = sorted.first(where: { $0.text != cost }) {
                worstText += " Also: \(other.text)"
            }
        }
        self.init(
            level: worst, headline: Self.headline(worst, worstText, status),
            reasons: sorted.map(\.text))
    }

    private static func headline(_ level: Level, _ worst: String, _ status: ArchiveStatus)
        -> String
    {
        let disks = Set(status.volumes.map { $0.disk ?? $0.path })
        switch level {
        case .risk: return "DATA AT RISK: \(worst)"
        case .attention:
            return (status.copies.oneDisk > 0 ? "NOT SAFE: " : "ATTENTION: ") + worst
        case .safe where status.instances == 0:
            let ready = "Ready: the archive is empty."
            guard disks.count == 1, status.volumes.count > 1, let disk = disks.first else {
                return ready
            }
            return
                """
                \(ready) Its volumes are on one disk (\(disk)): fine for trying, and not for \
                images that matter.
                """
        case .safe:
            let copies = status.copies.wanted
            return
                """
                Safe: \(all(status.instances)) stored \(copies) times, on \(copies) different \
                disks.
                """
        }
    }

    private static func all(_ count: Int64) -> String {
        count == 1 ? "the image is" : "all \(images(count)) are"
    }

    /// Whether a volume is away, and not only named by a wrong path.
    private static func isGone(_ volume: ArchiveStatus.Volume) -> Bool {
        volume.state == .absent && volume.ordinal != nil && !volume.isUnlisted
    }

    /// What one disk that fails now would cost, where nothing else says so; `nil` when that is
    /// nothing.
    private static func cost(_ status: ArchiveStatus) -> String? {
        let copies = status.copies
        let readable = status.volumes.filter { $0.state != .absent }
        guard copies.oneDisk > 0, !readable.isEmpty else { return nil }
        let exposed =
            copies.oneDisk == status.instances
            ? all(status.instances)
            : "\(grouped(copies.oneDisk)) of \(images(status.instances)) "
                + (copies.oneDisk == 1 ? "is" : "are")
        if copies.wanted == 1 {
            return
                """
                \(exposed) stored once: if a disk fails, those on it are lost. For a second copy, \
                set \"copies = 2\" in pacsfs.toml, and add a volume on another disk: \
                pacsfs volume add DIR
                """
        }
        let missing = status.volumes.filter(isGone)
        if let first = missing.first {
            let place = readable.count == 1 ? "\(readable[0].path) alone" : "one disk alone"
            return
                """
                \(missing.map(\.path).joined(separator: " and ")) \
                \(missing.count == 1 ? "is" : "are") absent, and \(exposed) on \(place): if that \
                disk fails too, they are lost. \(newImages(status)) \(waysOn(first.path))
                """
        }
        let disks = Set(readable.map { $0.disk ?? $0.path })
        if disks.count == 1, readable.count > 1, let disk = disks.first {
            let volumes = readable.count == 2 ? "both volumes" : "all volumes"
            let stored =
                copies.underReplicated == 0
                ? "stored \(copies.wanted) times, but \(volumes) are on one disk (\(disk))"
                : "on one disk (\(disk))"
            return
                """
                \(exposed) \(stored): if it fails, everything is lost. That is fine for trying; \
                for images that matter, add a volume on another disk: pacsfs volume add DIR
                """
        }
        // The sentence about single copies says it.
        guard copies.oneDisk > copies.single else { return nil }
        return
            """
            \(exposed) on one disk only, because volumes share it: if it fails, they are lost. 
            """
                + (status.resilver.isRunning
                    ? "Copies on other disks are being made now."
                    : "Make room on another disk, or add a volume there: pacsfs volume add DIR")
    }

    /// What becomes of new images while a volume is away.
    private static func newImages(_ status: ArchiveStatus) -> String {
        takers(status) >= status.copies.minimum
            ? "New ones are stored there, with a copy less until it is back."
            : "New ones are refused until it is back (min_copies = \(status.copies.minimum))."
    }

    /// What to do about a volume that is away.
    private static func waysOn(_ path: String) -> String {
        """
        Three ways on: plug its disk in and mount it; or put an empty one in its place: \
        pacsfs volume replace \(path) [NEW-DIR]; or add another: pacsfs volume add DIR
        """
    }

    private static func finding(about volume: ArchiveStatus.Volume, _ status: ArchiveStatus)
        -> String?
    {
        switch volume.state {
        case .absent:
            // What is wrong is a path, and not a disk.
            if volume.ordinal == nil || volume.isUnlisted || volume.isRefused,
                let problem = volume.problem
            {
                return "\(volume.path) cannot be used: \(problem)"
            }
            return
                """
                \(volume.path) is absent. The images are on the other volumes. \
                \(newImages(status)) \(waysOn(volume.path))
                """
        case .readOnly:
            return
                """
                \(volume.path) is read-only: its images can be read, new ones are not stored \
                there. See dmesg, check the file system, mount it again.
                """
        case .failing:
            return
                """
                \(volume.path) had \(volume.errors) bad copies: its disk is probably failing. Look \
                at it with smartctl, and replace it soon: pacsfs volume replace \(volume.path) \
                NEW-DIR
                """
        case .retiring:
            return
                """
                \(volume.path) is being emptied. Leave it plugged in until it is gone from this \
                list.
                """
                    + (volume.problem.map { " \($0)" } ?? "")
        case .online: return nil
        }
    }

    /// How many volumes new images are stored on.
    private static func takers(_ status: ArchiveStatus) -> Int {
        status.volumes.filter { $0.state == .online || $0.state == .failing }.count
    }

    private static func finding(about space: ArchiveStatus.FreeSpace) -> String? {
        if space.bytes < 1 << 20 {
            return
                "The volumes are full: new images are refused. Add a volume: pacsfs volume add DIR"
        }
        if space.bytes < 64 << 20 {
            return
                """
                The volumes are nearly full: \(space.bytes / 1_000_000) MB of images fit. Add a \
                volume: pacsfs volume add DIR
                """
        }
        guard let days = space.daysLeft, days < 30 else { return nil }
        return
            """
            The room will last for about \(days == 1 ? "one day" : "\(days) days"). Add a volume: \
            pacsfs volume add DIR
            """
    }

    private static func images(_ count: Int64) -> String {
        Figures.count(count, "image", "images")
    }

    private static func grouped(_ count: Int64) -> String { Figures.grouped(count) }
}
