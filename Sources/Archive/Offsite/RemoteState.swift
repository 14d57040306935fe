import Storage

/// What is being done for a remote.
public enum RemoteActivity: String, Codable, Sendable, CaseIterable {
    /// The archive is not mounted: nothing is brought away.
    case off
    /// Everything is there, or waits until its series is complete.
    case waiting
    /// It waits for the hours of the day that `pacsfs.toml` allows.
    case resting
    /// Objects are being made and sent.
    case pushing
    /// It is being compared with its listing.
    case checking
    /// Something failed that may go away by itself; it is tried again.
    case pausing
    /// Somebody has to do something first.
    case blocked
}

/// What a remote's loop is doing, for those who ask.
struct RemoteState: Sendable {
    var activity = RemoteActivity.off
    /// Why it pauses or is blocked; or what could not be brought away, although the rest was.
    var reason: String?
    /// Failures one after the other.
    var failures = 0
    /// When it goes on, ns of the clock; `nil` when it does not pause.
    var pausedUntil: Int64?
    /// When it last looked for what has come, ns of the clock.
    var lastLook: Int64?
    /// Bytes a second, of the last transfers.
    var rate: Int64 = 0
    var progress: PushProgress?
    /// Up to this `instance.id` everything is there.
    var complete: Int64 = 0

    /// A failure: growing pauses, up to an hour.
    mutating func fail(_ text: String, isBlocked: Bool, at now: Int64) {
        failures += 1
        activity = isBlocked ? .blocked : .pausing
        reason = text
        pausedUntil = now + (isBlocked ? GrowingPause.longest : GrowingPause.after(failures))
        progress = nil
    }

    /// There was nothing to do. What could not be brought there by the last round still is not
    /// there; any other failure is over.
    mutating func idle() { rest(.waiting, activity == .waiting ? reason : nil) }

    /// A round is over.
    mutating func rest(_ activity: RemoteActivity, _ reason: String? = nil) {
        (self.activity, self.reason) = (activity, reason)
        (failures, pausedUntil, progress) = (0, nil, nil)
    }
}
