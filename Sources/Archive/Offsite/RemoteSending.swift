import Offsite
import System

/// A batch that is on its way to a remote, by a thread that waits for rclone while the next batch
/// is made.
final class RemoteSending: Sendable {
    /// Objects of one folder, and what has become of them.
    struct Part: Sendable {
        var folder: String
        var objects: [OutgoingObject]
        var report = PushReport()
    }

    /// What has become of a batch.
    struct Outcome: Sendable {
        /// Those of which something is known.
        var parts: [Part] = []
        /// Why the rest did not go.
        var error: OffsiteError?
        /// How long it took, ns.
        var time: Int64 = 0
    }

    private struct State {
        var bytes: Int64 = 0
        var outcome: Outcome?
    }

    let events: [String: OffsiteEvent]
    private let state = Monitor(State())

    /// Begins.
    ///
    /// - Parameters:
    ///   - parts: What goes, folder by folder.
    ///   - events: What is to be recorded of each object when it is there.
    ///   - push: Brings the objects of one folder there.
    /// - Throws: `local` when the system has no room for another thread.
    init(
        _ parts: [Part], _ events: [String: OffsiteEvent], clock: any MonotonicClock,
        push: @escaping @Sendable (Part, (Int64) -> Void) throws(OffsiteError) -> PushReport
    ) throws(OffsiteError) {
        self.events = events
        let state = state
        do throws(Errno) {
            _ = try WorkerThread("sending") {
                var outcome = Outcome()
                let begun = clock.now
                var before: Int64 = 0
                for var part in parts {
                    do throws(OffsiteError) {
                        part.report = try push(part) { [before] bytes in
                            state.withLock(waking: .all) { $0.bytes = before + bytes }
                        }
                    } catch {
                        outcome.error = error
                        break
                    }
                    before += part.report.sentBytes
                    outcome.parts.append(part)
                }
                outcome.time = clock.now - begun
                state.withLock(waking: .all) { [outcome] in $0.outcome = outcome }
            }
        } catch {
            throw OffsiteError(
                .local, "No thread can be started that brings objects to a remote",
                remedy: "See the log.", cause: error)
        }
    }

    var hasEnded: Bool { state.withLock { $0.outcome != nil } }

    /// Waits until it has ended.
    ///
    /// - Parameter progress: Called with the bytes that have gone over, on this thread.
    func wait(_ progress: (Int64) -> Void) -> Outcome {
        var shown: Int64 = 0
        while true {
            let (bytes, outcome) = state.wait { [shown] state -> (Int64, Outcome?)? in
                state.outcome != nil || state.bytes != shown ? (state.bytes, state.outcome) : nil
            }
            if let outcome { return outcome }
            shown = bytes
            progress(bytes)
        }
    }
}
