import ArgumentParser
import Archive
import Foundation

struct Status: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Are we safe?",
        discussion: """

            Exit code: 0 all is well, 1 something wants attention, 2 data is at risk.

            Example:
              pacsfs status
            """)

    @OptionGroup var archive: ArchiveOption

    @Flag(name: .long, help: "Print JSON.")
    var json = false

    func run() throws {
        try reporting {
            let path = try archive.existing
            let status = try Self.status(of: path)
            if json { try Output.json(status) } else { print(Self.text(status)) }
            switch status.health.level {
            case .safe: break
            case .attention: throw ExitStatus.attention.code
            case .risk: throw ExitStatus.failure.code
            }
        }
    }

    /// From the daemon when one runs, else from the archive itself.
    static func status(of path: String) throws -> ArchiveStatus {
        if let connection = ControlConnection.connect(archive: path) {
            switch try connection.ask(.status) {
            case .status(let status): return status
            case .failed(let reason): throw ArchiveError(.index, reason)
            default: break
            }
        }
        let archive = try Archive(at: path, log: StandardErrorLog.logger(level: .critical))
        defer { archive.close() }
        var status = try archive.status(pending: nil, readMode: nil, mountpoint: nil)
        if let mountpoint = Paths.mountpoint(of: path) {
            status.health.add(
                attention:
                    "The daemon that showed the archive on \(mountpoint) has died: nobody sees an image, and none can come. Mount it again: pacsfs mount \(mountpoint)\(ArchiveOption.argument(for: path))"
            )
        }
        return status
    }

    private static func text(_ status: ArchiveStatus) -> String {
        var lines = [status.health.headline]
        lines += status.health.reasons.dropFirst().map { "           also: \($0)" }
        lines.append("")
        lines.append(
            "Archive    \(status.archive): \(Output.count(status.patients, "patient", "patients")), \(Output.count(status.studies, "study", "studies")), \(Output.count(status.instances, "image", "images")), \(Output.bytes(status.bytes))"
        )
        for volume in status.volumes { lines += VolumeText.lines(volume) }
        lines.append("Room       \(freeSpace(status.freeSpace))")
        let resilver = status.resilver
        if resilver.isRunning || resilver.copies > 0 {
            lines.append(
                "Resilver   \(resilver.isRunning ? "running: " : "")\(Output.count(resilver.copies, "copy", "copies")) made, \(Output.bytes(resilver.bytes)); \(Output.count(status.copies.underReplicated, "image", "images")) to go"
            )
        }
        if let rebuilt = status.indexRebuilt {
            lines.append("Index      made anew on \(Output.time(rebuilt.time)): \(rebuilt.reason)")
        }
        for view in status.views where view.state == .making {
            lines.append(
                "View       \(status.mountpoint == nil ? "\(view.name) is made when the archive is mounted" : "making \(view.name)"): \(view.series) of \(view.totalSeries) series"
            )
        }
        for image in status.copies.lostImages { lines.append("Lost       \(image)") }
        if let mountpoint = status.mountpoint {
            lines.append(
                "Mounted    \(mountpoint), reading \(status.readMode == .passthrough ? "by the kernel (passthrough)" : "through the daemon (cached)")"
            )
        } else {
            lines.append("Mounted    no")
        }
        if status.incoming.pending > 0 {
            lines.append(
                "Incoming   \(Output.count(status.incoming.pending, "file waits", "files wait"))")
        }
        for zip in status.incoming.unpacking.prefix(10) {
            let progress =
                zip.files.map { "\(zip.done) of \(Output.count($0, "file", "files"))" } ?? "waits"
            lines.append("Unpacking  \(zip.path): \(progress)")
        }
        if status.rejected > 0 {
            lines.append(
                "Rejected   \(Output.count(status.rejected, "file is", "files are")) set aside, each with its reason, in rejected/"
            )
        }
        lines.append(
            "Ledger     \(Output.count(status.ledger.records, "record", "records")), head \(status.ledger.head):\(status.ledger.records)"
        )
        return lines.joined(separator: "\n")
    }

    private static func freeSpace(_ space: ArchiveStatus.FreeSpace) -> String {
        guard space.bytes > 0 else { return "none: new images are refused" }
        let free = "\(Output.bytes(space.bytes)) of images"
        guard let days = space.daysLeft else { return free }
        let time =
            days > 3650
            ? "more than ten years"
            : days > 730
                ? "about \(days / 365) years"
                : days > 60 ? "about \(days / 30) months" : "about \(days) days"
        return "\(free), for \(time) at the rate of the last 30 days"
    }
}

/// A volume, as people are told of it.
enum VolumeText {
    static func lines(_ volume: ArchiveStatus.Volume) -> [String] {
        let number = volume.ordinal.map(String.init) ?? "?"
        var text =
            "Volume \(number)\(String(repeating: " ", count: max(1, 4 - number.count)))\(volume.path): \(volume.state.rawValue), \(Output.count(volume.blobs, "image", "images"))"
        if volume.state != .absent { text += ", room for \(Output.bytes(volume.free))" }
        if volume.domain != volume.path { text += ", in \(volume.domain)" }
        if volume.errors > 0 {
            text +=
                ", \(Output.count(volume.errors, "bad copy was found", "bad copies were found"))"
        }
        if let time = volume.scrubbed { text += ", all read since \(Output.time(time).prefix(10))" }
        return [text] + (volume.problem.map { ["           \($0)"] } ?? [])
    }
}
