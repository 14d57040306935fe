import Testing

@testable import Archive

@Suite("The state of a remote") struct RemoteStateTests {
    private static let minute: Int64 = 60_000_000_000

    @Test("Pauses after failures grow to an hour; what only a person can mend waits that long")
    func pauses() {
        var state = RemoteState()
        var minutes: [Int64] = []
        for _ in 0..<9 {
            state.fail("no route to host", isBlocked: false, at: 0)
            minutes.append((state.pausedUntil ?? 0) / Self.minute)
        }
        #expect(minutes == [1, 2, 4, 8, 16, 32, 60, 60, 60])
        #expect(state.activity == .pausing && state.reason == "no route to host")
        state.rest(.waiting)
        state.fail("wrong password", isBlocked: true, at: 5)
        #expect(state.activity == .blocked && state.pausedUntil == 5 + 60 * Self.minute)
        state.rest(.waiting)
        #expect(state.reason == nil && state.pausedUntil == nil && state.failures == 0)
    }

    @Test("A failure that is over is not spoken of any more; what did not go is")
    func reasons() {
        var state = RemoteState()
        state.fail("no route to host", isBlocked: false, at: 0)
        state.idle()
        #expect(state.activity == .waiting && state.reason == nil && state.pausedUntil == nil)
        state.rest(.waiting, "somebody has changed an object")
        state.idle()
        #expect(state.reason == "somebody has changed an object")
    }
}
