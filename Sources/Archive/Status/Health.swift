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
    /// Something that somebody should look at, and that the archive itself cannot know.
    public mutating func add(attention text: String) {
        reasons.append(text)
        guard level == .safe else { return }
        level = .attention
        headline = "ATTENTION: \(text)"
    }

    /// Judges a status.
    init(of status: ArchiveStatus) {
        var findings: [(level: Level, text: String)] = []
        func add(_ level: Level, _ text: String) { findings.append((level, text)) }
        let copies = status.copies
        let images = Self.images(status.instances)
        let readable = status.volumes.filter { $0.state != .absent }
        let missing = status.volumes.filter { $0.state == .absent }

        if readable.isEmpty, status.instances > 0 {
            add(.risk, "None of the volumes is there. Plug in and mount their disks.")
        }
        if copies.lost > 0 {
            add(
                .risk,
                """
                \(copies.lost) of \(images) \(copies.lost == 1 ? "has" : "have") no good copy \
                left. If the original is still on the machine that took it, copy it into incoming \
                again; what is left of the damaged copies is in rejected/bad-blobs of the volumes.
                """
            )
        }
        if copies.offlineOnly > 0, !readable.isEmpty {
            add(
                .risk,
                """
                \(copies.offlineOnly) of \(images) cannot be read: all copies are on volumes that \
                are not here. Bring back \(missing.map(\.path).joined(separator: " or ")).
                """
            )
        }
        if copies.single > 0 {
            if status.resilver.isRunning {
                add(
                    .attention,
                    """
                    \(copies.single) of \(images) \(copies.single == 1 ? "has" : "have") one copy \
                    only; the second is being made now.
                    """
                )
            } else {
                // With a disk away every image has one copy within reach: that is mended by
                // plugging it in. Without, there is nothing that will mend it by itself.
                add(
                    missing.isEmpty ? .risk : .attention,
                    """
                    \(copies.single) of \(images) \(copies.single == 1 ? "has" : "have") one copy \
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
        if few > 0 {
            add(
                .attention,
                """
                \(few) of \(images) \(few == 1 ? "has" : "have") fewer than \(copies.wanted) \
                copies
                """
                    + (status.resilver.isRunning
                        ? "; more are being made now."
                        : status.volumes.count < copies.wanted
                            ? ". Add a volume: pacsfs volume add DIR" : "."))
        }
        for volume in status.volumes {
            if let text = Self.finding(about: volume, status) { add(.attention, text) }
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
        if takers >= copies.minimum, let text = Self.finding(about: status.freeSpace) {
            add(.attention, text)
        }
        // Without room for records they cannot be made either; a finding above says so.
        if takers >= copies.minimum, let problem = status.viewsProblem {
            add(.attention, "The views of pacsfs.toml cannot be made: \(problem)")
        }

        let worst = findings.map(\.level).max() ?? .safe
        let sorted = findings.filter { $0.level == .risk } + findings.filter { $0.level != .risk }
        self.init(
            level: worst, headline: Self.headline(worst, sorted.first?.text, status),
            reasons: sorted.map(\.text))
    }

    private static func headline(_ level: Level, _ worst: String?, _ status: ArchiveStatus)
        -> String
    {
        switch level {
        case .risk: return "DATA AT RISK: \(worst ?? "")"
        case .attention: return "ATTENTION: \(worst ?? "")"
        case .safe:
            let copies = status.copies.wanted
            if status.instances == 0 { return "Ready: the archive is empty." }
            let what =
                status.instances == 1 ? "the image is" : "all \(images(status.instances)) are"
            return
                """
                Safe: \(what) stored \(copies == 1 ? "once" : "\(copies) times"), on \
                \(copies == 1 ? "one volume" : "\(copies) different volumes").
                """
        }
    }

    private static func finding(about volume: ArchiveStatus.Volume, _ status: ArchiveStatus)
        -> String?
    {
        switch volume.state {
        case .absent:
            // What is wrong is a path, and not a disk.
            if volume.ordinal == nil || volume.isUnlisted, let problem = volume.problem {
                return "\(volume.path) cannot be used: \(problem)"
            }
            let isEnough = takers(status) >= status.copies.minimum
            let others = status.volumes.filter { $0.state != .absent }
            let place = others.count == 1 ? "\(others[0].path) alone" : "the other volumes"
            return "\(volume.path) is absent. The images are on \(place); "
                + (isEnough
                    ? "new ones are stored there." : "new ones are refused until it is back.")
                + " If its disk is dead: pacsfs volume replace \(volume.path) [NEW-DIR]"
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
        if space.bytes < 64 << 20 {
            return
                "The volumes are full: new images are refused. Add a volume: pacsfs volume add DIR"
        }
        guard let days = space.daysLeft, days < 30 else { return nil }
        return
            """
            The room will last for about \(days == 1 ? "one day" : "\(days) days"). Add a volume: \
            pacsfs volume add DIR
            """
    }

    private static func images(_ count: Int64) -> String {
        count == 1 ? "1 image" : "\(count) images"
    }
}
