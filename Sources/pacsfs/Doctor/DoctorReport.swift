import Archive

/// The state of one thing that was looked at.
struct Finding: Codable, Sendable {
    enum Level: String, Codable, CaseIterable, Comparable, Sendable {
        case ok, attention, problem

        static func < (left: Level, right: Level) -> Bool { left.order < right.order }
        private var order: Int { self == .ok ? 0 : self == .attention ? 1 : 2 }

        var mark: String { self == .ok ? "✓" : self == .attention ? "!" : "✗" }
    }

    var level: Level
    /// What was looked at: `volume /mnt/disk1/pacsfs`.
    var subject: String
    /// How it is; and, when that is not well, what to do.
    var text: String
}

/// Everything that pacsfs needs of a machine, and the set-up of an archive. Nothing is written, and
/// nothing is opened that could be in another process's way.
struct DoctorReport {
    /// The archive's directory.
    let archive: String
    /// Seconds that a mount or a daemon may take to answer.
    let timeout: Int
    private(set) var findings: [Finding] = []

    init(_ archive: String, timeout: Int) {
        self.archive = archive
        self.timeout = timeout
    }

    var paths: ArchivePaths { ArchivePaths(archive) }

    mutating func examine() {
        checkSystem()
        guard let settings = checkConfiguration() else { return checkService(nil) }
        checkDirectory()
        checkVolumes(settings)
        checkOffsite(settings)
        checkMounts()
        checkService(settings)
    }

    mutating func add(_ level: Finding.Level, _ subject: String, _ text: String) {
        findings.append(Finding(level: level, subject: subject, text: text))
    }

    /// Adds a problem; or, if there is none, that it is `ok` with `text`.
    mutating func add(
        _ level: Finding.Level, _ subject: String, _ problem: String?, else text: String
    ) {
        add(problem == nil ? .ok : level, subject, problem ?? text)
    }

    var level: Finding.Level { findings.map(\.level).max() ?? .ok }

    /// A line for each finding, and a summary.
    var lines: [String] {
        let width = min(findings.map(\.subject.count).max() ?? 0, 40)
        let lines = findings.map { finding in
            let subject = finding.subject.padding(
                toLength: max(width, finding.subject.count), withPad: " ", startingAt: 0)
            return "\(finding.level.mark) \(subject)  \(finding.text)"
        }
        return lines + ["", summary]
    }

    private var summary: String {
        let problems = findings.count { $0.level == .problem }
        let others = findings.count { $0.level == .attention }
        let parts = [
            problems > 0 ? Output.count(problems, "problem", "problems") : nil,
            others > 0
                ? Output.count(others, "thing wants attention", "things want attention") : nil,
        ].compactMap(\.self)
        return parts.isEmpty ? "All is well." : parts.joined(separator: ", ") + "."
    }
}
