import Glibc
import Logging
import Storage
import System

/// What was refused in the last minutes because a user had its share of something. The log gets a
/// line a minute at most, however often a program tries.
public final class ShareRefusals: Sendable {
    /// Of what a user has a share.
    public enum Resource: String, Codable, Sendable, CaseIterable {
        /// Files and folders of the mount that are open.
        case openFiles = "open_files"
        /// Files and folders in `incoming`.
        case incomingNames = "incoming_names"
        /// Searches that are kept.
        case keptSearches = "kept_searches"
    }

    /// ShareRefusals of one kind.
    public struct Recent: Codable, Sendable {
        public var resource: Resource
        /// The uid of the user who was refused last.
        public var user: Int
        /// How many there were, until none came for some minutes.
        public var count: Int
        /// When the last was.
        public var last: Timestamp

        /// A sentence about it, and what to do.
        var text: String {
            let times = count == 1 ? "once" : "\(count) times"
            return switch resource {
            case .openFiles:
                """
                The user with the uid \(user) was refused \(times), having a full share of the \
                files that can be open. Others go on. End programs that keep many files open: \
                lsof -u \(user)
                """
            case .incomingNames:
                """
                The user with the uid \(user) was refused \(times), having a full share of the \
                names in incoming. Others go on. Let incoming settle, or remove what is not \
                needed there.
                """
            case .keptSearches:
                """
                The user with the uid \(user) was refused \(times), having a full share of the \
                kept searches. Remove those that are not needed with rmdir.
                """
            }
        }
    }

    private struct Entry {
        var recent: Recent
        /// Monotonic ns.
        var last: Int64
        var logged: Int64
    }

    /// For so long `status` speaks of a refusal, ns.
    private static let memory: Int64 = 600_000_000_000
    private static let logPause: Int64 = 60_000_000_000

    private let entries = Lock<[Resource: Entry]>([:])
    private let log: Logger
    private let clock: any MonotonicClock

    init(log: Logger, clock: any MonotonicClock) { (self.log, self.clock) = (log, clock) }

    /// Something was refused to a user.
    public func note(_ resource: Resource, of user: uid_t) {
        let now = clock.now
        let time = Timestamp(nanoseconds: clock.utc)
        let line = entries.withLock { entries -> String? in
            let known = entries[resource].flatMap { now - $0.last < Self.memory ? $0 : nil }
            var entry =
                known
                ?? Entry(
                    recent: Recent(resource: resource, user: 0, count: 0, last: time), last: now,
                    logged: now - Self.logPause)
            entry.recent.user = Int(user)
            entry.recent.count += 1
            entry.recent.last = time
            entry.last = now
            let isDue = now - entry.logged >= Self.logPause
            if isDue { entry.logged = now }
            entries[resource] = entry
            return isDue ? entry.recent.text : nil
        }
        if let line { log.warning("\(line)") }
    }

    /// Those of the last minutes.
    var recent: [Recent] {
        let now = clock.now
        let entries = entries.withLock { $0 }
        return Resource.allCases.compactMap { resource in
            entries[resource].flatMap { now - $0.last < Self.memory ? $0.recent : nil }
        }
    }
}
