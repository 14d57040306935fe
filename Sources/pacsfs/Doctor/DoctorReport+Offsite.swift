import Archive
import Foundation
import Offsite
import Storage

// The program that brings everything away, and its settings.
extension DoctorReport {
    /// Does not ask the remotes anything: "offsite check" does.
    mutating func checkOffsite(_ settings: Settings) {
        let folder = archive + "/offsite"
        let names = ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [])
            .filter { $0.hasSuffix(".json") }.map { String($0.dropLast(5)) }.sorted()
        guard !names.isEmpty else { return }
        let rclone = Rclone()
        let version: RcloneVersion
        do throws(OffsiteError) {
            version = try rclone.version()
        } catch {
            return add(.problem, "rclone", "\(error)")
        }
        add(
            .attention, "rclone",
            version < .oldest
                ? "This is \(version), and pacsfs is tried with \(RcloneVersion.oldest) and later: "
                    + "install a newer one, or name it in PACSFS_RCLONE." : nil,
            else: "version \(version)")
        for name in names {
            do throws(ArchiveError) {
                try checkRemote(RemoteSecrets(name, of: archive), settings.remotes[name], version)
            } catch {
                add(.problem, "remote \(name)", "\(error)")
            }
        }
        for name in settings.remotes.keys.sorted() where !names.contains(name) {
            add(
                .attention, "[offsite.\(name)]",
                "There is no remote of this name: pacsfs offsite list")
        }
    }

    private mutating func checkRemote(
        _ secrets: RemoteSecrets, _ settings: Settings.Remote?, _ version: RcloneVersion
    ) {
        let subject = "remote \(secrets.name)"
        if settings?.keepYears != nil, !ObjectLock.isPossible(secrets.location, version) {
            return add(
                .problem, subject,
                "keep_years needs a remote of type s3 and rclone \(RcloneVersion.withObjectLock) "
                    + "or later, and this is \(version): install a newer one, or name it in "
                    + "PACSFS_RCLONE.")
        }
        if secrets.keys != nil, secrets.sheet == nil {
            return add(
                .problem, subject,
                "Its recovery sheet was never printed or saved, and nothing is brought there.")
        }
        add(.ok, subject, "rclone's type is \(secrets.location.options["type"] ?? "unknown")")
    }
}
