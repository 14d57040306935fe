import Glibc
import TestSupport
import Testing

/// Whose the archive is, the daemon and the programs that use it, and how images are read.
enum Setting: String, CaseIterable, Sendable, CustomTestStringConvertible {
    case rootPassthrough, rootCached
    /// A user who is not root, on an archive of its own; reads go through the daemon.
    case unprivileged

    /// All that are possible: who is not root is himself the user.
    static let allCases: [Setting] =
        geteuid() == 0 ? [.rootPassthrough, .rootCached, .unprivileged] : [.unprivileged]

    /// Both ways of reading, the cached one as the user.
    static let modes = allCases.filter { $0 != .rootCached }

    var mode: ReadMode { self == .rootPassthrough ? .passthrough : .cached }

    var testDescription: String {
        self == .unprivileged ? "unprivileged" : "root, \(mode.testDescription)"
    }
}

extension MountedArchive {
    /// As ``with(_:isMounted:minimumCopies:prepare:_:)``, in a setting.
    @discardableResult
    static func with<R>(
        _ setting: Setting, isMounted: Bool = true, _ body: (MountedArchive) throws -> R
    ) throws -> R {
        try with(setting.mode, isMounted: isMounted, isUnprivileged: setting == .unprivileged, body)
    }
}

/// Mounted archives, one in each setting, which all tests of a suite use one after another: each
/// with names and images of its own.
struct SharedArchives: SuiteTrait, TestScoping {
    @TaskLocal private static var current: [Setting: MountedArchive] = [:]

    /// Is called once for each.
    let prepare: @Sendable (MountedArchive) throws -> Void

    /// The one of the test's suite.
    static func archive(in setting: Setting) throws -> MountedArchive {
        try #require(current[setting])
    }

    /// The archive of the test's suite, with an empty `incoming`, where names stay, and its
    /// contents from before.
    static func begin(_ setting: Setting) throws -> (MountedArchive, Status) {
        let archive = try archive(in: setting)
        try archive.settled()
        try archive.keepNames()
        return (archive, try archive.status())
    }

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        try await provide(Setting.allCases[...], beside: [:], to: function)
    }

    private func provide(
        _ settings: ArraySlice<Setting>, beside others: [Setting: MountedArchive],
        to function: @Sendable () async throws -> Void
    ) async throws {
        guard let setting = settings.first else {
            return try await Self.$current.withValue(others) { try await function() }
        }
        try await MountedArchive.with(setting.mode, isUnprivileged: setting == .unprivileged) {
            archive in
            try prepare(archive)
            try await provide(
                settings.dropFirst(), beside: others.merging([setting: archive]) { $1 },
                to: function)
        }
    }
}

extension Trait where Self == SharedArchives {
    static func sharedArchives(
        _ prepare: @escaping @Sendable (MountedArchive) throws -> Void = { _ in }
    ) -> Self {
        Self(prepare: prepare)
    }
}
