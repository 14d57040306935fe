import Foundation
import Storage

/// What is mounted when the machine starts: /etc/fstab and units of systemd.
struct BootMounts {
    /// Mount points in fstab, and whether they are mounted at the start.
    private var automatic: [String: Bool] = [:]

    /// - Parameter table: As in fstab(5).
    init(_ table: String = DoctorReport.content("/etc/fstab") ?? "") {
        for line in table.split(separator: "\n") {
            let fields = line.split { $0 == " " || $0 == "\t" }
            guard fields.count >= 4, !fields[0].hasPrefix("#") else { continue }
            let path = fields[1].replacingOccurrences(of: "\\040", with: " ")
            automatic[path] = !fields[3].split(separator: ",").contains("noauto")
        }
    }

    /// Why it will not be mounted at the next start; `nil` when it will.
    func problem(_ mountpoint: String) -> String? {
        switch automatic[mountpoint] {
        case true: return nil
        case false:
            return
                """
                \(mountpoint) is "noauto" in /etc/fstab: it is not mounted when the machine \
                starts. Remove that, and add "nofail".
                """
        case nil:
            // systemd-escape(1) --path; names with other special characters are not recognised.
            let unit =
                mountpoint.dropFirst().replacingOccurrences(of: "-", with: "\\x2d")
                .replacingOccurrences(of: "/", with: "-") + ".mount"
            let folders = [
                "/etc/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system",
                "/run/systemd/generator",
            ]
            if folders.contains(where: { access($0 + "/" + unit, F_OK) == 0 }) { return nil }
            return
                """
                \(mountpoint) is not in /etc/fstab: it is not mounted when the machine starts. Add \
                it there, with the option "nofail".
                """
        }
    }

    /// What to do about a volume that is not there.
    func advice(for path: String) -> String {
        let place = automatic.keys.filter {
            path == $0 || $0 != "/" && AbsolutePath.isInside(path, $0)
        }.max { $0.count < $1.count }
        return place.map { "Plug its disk in, and mount it with: mount \($0)" }
            ?? "Plug in and mount its disk, or correct the path in pacsfs.toml."
    }
}
