import Storage
import TagIndex

extension ArchiveStatus {
    /// A place away from this machine, and what it lacks.
    public struct Remote: Codable, Sendable {
        /// What this machine's own keys can do to what lies there, as it was last tried.
        public enum WipeVerdict: String, Codable, Sendable, CaseIterable {
            /// Nothing can be destroyed.
            case wipeProof = "wipe-proof"
            /// What is deleted or overwritten is kept by the server, and can be had again.
            case hidden
            /// Everything can be destroyed.
            case destroyable
        }

        public struct WipeTest: Codable, Sendable {
            public var result: WipeVerdict
            public var at: Timestamp
        }

        public var name: String
        /// What is being done for it.
        public var state: RemoteActivity
        /// Why it pauses or is blocked, or what could not be brought there.
        @Nullable public var reason: String?
        public var isEncrypted: Bool
        /// The kind of hash that its server keeps; `nil` when sizes alone can be compared.
        @Nullable public var hash: String?
        /// Images that are there, all versions counted.
        public var images: Int64
        /// Images that are not there yet, and their bytes.
        public var imagesWaiting: Int64
        public var bytesWaiting: Int64
        /// Seconds since the first of them was archived; `nil` when there are none.
        @Nullable public var oldestWaiting: Int64?
        /// Seconds until they are there, at the rate of the last transfer; `nil` while nothing is
        /// being sent, or nobody can tell.
        @Nullable public var timeLeft: Int64?
        @Nullable public var lastPush: Timestamp?
        @Nullable public var lastCheck: Timestamp?
        /// Objects that are not as they should be.
        public var faults: Int64
        /// Of the newest, how many the last check found to be gone together.
        public var rolledBack: Int64
        /// Since when every object was read whole, or sent and compared; `nil` without objects.
        @Nullable public var oldestProof: Timestamp?
        /// Whether that is longer ago than it should be.
        public var isProofOverdue = false
        /// `nil` when it was never tried.
        @Nullable public var wipeTest: WipeTest?
        /// Since when it is used.
        var added: Timestamp

        enum CodingKeys: String, CodingKey {
            case name, state, reason, hash, images, faults, added
            case isEncrypted = "encrypted"
            case imagesWaiting, bytesWaiting, lastPush, lastCheck, rolledBack, oldestProof
            case wipeTest
            case isProofOverdue = "proofOverdue"
            case oldestWaiting = "oldestWaitingS"
            case timeLeft = "timeLeftS"
        }
    }
}

extension ArchiveStatus.Remote {
    init(
        _ remote: RemoteRecord, _ sums: (instances: Int64, bytes: Int64), _ state: RemoteState,
        _ core: ArchiveCore, firstPending: () throws -> PendingImage?
    ) throws {
        let (objects, oldest) = try core.index.read { reader in
            (
                try reader.objectCount(onRemote: remote.id),
                try reader.leastProven(onRemote: remote.id, limit: 1).first?.proven
            )
        }
        let waiting = max(0, sums.instances - remote.images)
        let bytes = max(0, sums.bytes - remote.bytes)
        let first = waiting > 0 ? try firstPending() : nil
        func time(_ value: Int64?) -> Timestamp? { value.map { Timestamp(nanoseconds: $0) } }
        self.init(
            name: remote.name, state: state.activity, reason: state.reason,
            isEncrypted: remote.cipher != nil, hash: remote.hash, images: remote.images,
            imagesWaiting: waiting, bytesWaiting: bytes,
            oldestWaiting: first.map { max(0, (core.clock.utc - $0.received) / 1_000_000_000) },
            timeLeft: state.activity == .pushing && state.rate > 0 ? bytes / state.rate : nil,
            lastPush: time(remote.pushed), lastCheck: time(remote.checked),
            faults: objects.faulty, rolledBack: remote.rolledBack, oldestProof: time(oldest),
            wipeTest: remote.wipeTest.map { .init($0) },
            added: Timestamp(nanoseconds: remote.added))
        let days = core.settings.remote(remote.name).checkDays
        // A tenth longer, since the archive is not mounted all the time.
        let limit = Double(core.clock.utc) - days * 1.1 * 86_400e9
        isProofOverdue = days > 0 && oldest.map { Double($0) < limit } ?? false
    }
}

extension ArchiveStatus.Remote.WipeTest {
    init(_ test: RemoteRecord.WipeTest) {
        let words = [test.overwrite, test.delete] + (test.shorten.map { [$0] } ?? [])
        let results = words.map { WipeResult(rawValue: $0) }
        let isLost = results.contains { $0 == .done || $0 == nil }
        // Where there are locks, what is overwritten is a locked version.
        let isOnlyHidden = test.shorten == nil && results.contains(.hidden)
        result = isLost ? .destroyable : isOnlyHidden ? .hidden : .wipeProof
        at = Timestamp(nanoseconds: test.time)
    }
}

// What a manager has to know of remotes.
extension ArchiveStatus.Remote {
    private static let day: Int64 = 86_400

    /// What is not as it should be, with what to do.
    ///
    /// - Parameter now: The time.
    func findings(at now: Timestamp) -> [String] {
        var texts: [String] = []
        if faults > 0 {
            texts.append(
                """
                In the off-site copy "\(name)", \
                \(Figures.count(faults, "object is", "objects are")) missing or not what was \
                sent: somebody or something changed that. It is sent again where that is possible. \
                List them: pacsfs offsite check \(name)
                """
            )
        }
        if rolledBack > 1 {
            texts.append(
                """
                The off-site copy "\(name)" was rolled back: its \(rolledBack) newest objects are \
                gone. They are sent again; find out who did it.
                """
            )
        }
        if state == .blocked, let plainReason {
            texts.append("Nothing is brought to the off-site copy \"\(name)\": \(plainReason)")
        } else if isLate, let age = oldestWaiting {
            let why =
                plainReason.map { " \($0)" }
                ?? (state == .resting
                    ? " They go in the hours that pacsfs.toml allows; at once: pacsfs offsite push "
                        + name : "")
            texts.append(
                """
                \(imagesWaiting) images are not off-site on "\(name)" yet; the oldest has waited \
                for \(age / 3600) hours.\(why)
                """
            )
        }
        if let reason, state == .waiting {
            texts.append("Not everything went to the off-site copy \"\(name)\": \(reason)")
        }
        let checked = lastCheck ?? added
        if state != .off, now.nanoseconds - checked.nanoseconds > 8 * Self.day * 1_000_000_000 {
            texts.append(
                """
                The off-site copy "\(name)" has not been compared with the ledger for over a week.\
                 Compare it now: pacsfs offsite check \(name)
                """
            )
        }
        if let proofFinding { texts.append(proofFinding) }
        return texts
    }

    /// The reason without what rclone says of it, which stands beside the remote.
    private var plainReason: String? {
        guard let reason, let start = reason.firstRange(of: " ("),
            let end = reason.lastIndex(of: ")"), start.lowerBound < end
        else { return reason }
        return String(reason[..<start.lowerBound] + reason[reason.index(after: end)...])
    }

    /// Whether something has waited for too long.
    var isLate: Bool { oldestWaiting.map { $0 > Self.day } ?? false }

    /// That not every object was read for too long; `nil` when that is not so.
    var proofFinding: String? {
        guard let oldestProof, isProofOverdue else { return nil }
        return """
            Not every object of the off-site copy "\(name)" was read since \(oldestProof.date). \
            That is done a little each day while the archive is mounted; all at once: \
            pacsfs offsite check \(name) --download
            """
    }
}
