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
            let verdict = Self.verdict(status)
            if verdict.status != .success { throw verdict.status.code }
        }
    }

    /// From the daemon when one runs, else from the archive itself.
    private static func status(of path: String) throws -> ArchiveStatus {
        if let connection = ControlConnection.connect(archive: path) {
            switch try connection.ask(.status) {
            case .status(let status): return status
            case .failed(let reason): throw ArchiveError(.index, reason)
            default: break
            }
        }
        let archive = try Archive(at: path, log: StandardErrorLog.logger(level: .error))
        defer { archive.close() }
        return try archive.status(pending: nil, readMode: nil, mountpoint: nil)
    }

    private static func verdict(_ status: ArchiveStatus) -> (text: String, status: ExitStatus) {
        let absent = status.volumes.filter { $0.state != "online" }
        let images = Output.count(status.instances, "image", "images")
        if status.instances > 0, status.volumes.count - absent.count < 1 {
            return ("DATA AT RISK: none of the volumes can be used.", .failure)
        }
        if status.copies.short > 0 {
            return (
                "ATTENTION: \(status.copies.short) of \(images) have fewer than \(Output.count(status.copies.wanted, "copy", "copies")).",
                .attention)
        }
        if let volume = absent.first {
            return ("ATTENTION: \(volume.path) is \(volume.state). The images are on the other volumes; new ones are refused until it is back.", .attention)
        }
        if status.instances == 0 { return ("Ready: the archive is empty.", .success) }
        return (
            "Safe: \(status.instances == 1 ? "the image is" : "all \(images) are") stored \(status.copies.wanted == 1 ? "once" : "\(status.copies.wanted) times"), on \(status.copies.wanted) different volumes.",
            .success)
    }

    private static func text(_ status: ArchiveStatus) -> String {
        var lines = [verdict(status).text, ""]
        lines.append(
            "Archive    \(status.archive): \(Output.count(status.patients, "patient", "patients")), \(Output.count(status.studies, "study", "studies")), \(Output.count(status.instances, "image", "images")), \(Output.bytes(status.bytes))")
        for (index, volume) in status.volumes.enumerated() {
            lines.append(
                "Volume \(index + 1)   \(volume.path): \(volume.state), \(Output.count(volume.blobs, "image", "images")), room for \(Output.bytes(volume.free))")
            if let problem = volume.problem { lines.append("           \(problem)") }
        }
        if let mountpoint = status.mountpoint {
            lines.append("Mounted    \(mountpoint), reading \(status.read_mode == "passthrough" ? "by the kernel (passthrough)" : "through the daemon (cached)")")
        } else {
            lines.append("Mounted    no")
        }
        if status.incoming.pending > 0 {
            lines.append("Incoming   \(Output.count(status.incoming.pending, "file waits", "files wait"))")
        }
        if status.rejected > 0 {
            lines.append("Rejected   \(Output.count(status.rejected, "file is", "files are")) set aside, each with its reason, in rejected/")
        }
        lines.append("Ledger     \(Output.count(status.ledger.records, "record", "records")), head \(status.ledger.head)")
        return lines.joined(separator: "\n")
    }
}
