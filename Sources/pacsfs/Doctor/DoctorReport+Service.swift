import Archive
import Foundation
import Storage
import System

// Services that start with the machine, and programs of other packages.
extension DoctorReport {
    /// systemd.unit(5), Unit File Load Path: of the system.
    private static let unitFolders = [
        "/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system",
        "/usr/lib/systemd/system",
        "/lib/systemd/system",
    ]

    private static func isInstalled(_ unit: String) -> Bool {
        unitFolders.contains { access($0 + "/" + unit, F_OK) == 0 }
    }

    /// Whether `systemctl enable` has made the link; its target may be missing.
    private static func isEnabled(_ unit: String) -> Bool {
        var status = stat()
        return lstat("/etc/systemd/system/multi-user.target.wants/" + unit, &status) == 0
    }

    mutating func checkService(_ settings: Settings?) {
        checkUnit()
        if Self.isEnabled("pacsfs-receive.service") || Self.isInPath("storescp") {
            add(
                .problem, "storescp",
                Self.isInPath("storescp")
                    ? nil
                    : """
                    pacsfs-receive starts with the machine, but its program storescp is \
                    missing. Install it with: sudo apt install dcmtk
                    """,
                else: "is installed, for \"pacsfs receive\"")
        }
        checkSamba()
    }

    private mutating func checkUnit() {
        let subject = "start-up"
        guard Self.isInstalled("pacsfs.service") else {
            return add(
                .attention, subject,
                """
                Nothing mounts the archive when the machine starts. Install the service with: sudo \
                Scripts/install (in pacsfs' source folder)
                """
            )
        }
        guard Self.isEnabled("pacsfs.service") else {
            return add(
                .attention, subject,
                """
                The service pacsfs is installed, but does not start with the machine: sudo \
                systemctl enable --now pacsfs
                """
            )
        }
        let named = Self.variable("PACSFS_ARCHIVE", in: Self.content("/etc/default/pacsfs") ?? "")
        if let named, Paths.absolute(named) != archive {
            return add(
                .attention, subject,
                """
                The service pacsfs shows another archive, \(named). If this one should be shown, \
                name it in /etc/default/pacsfs.
                """
            )
        }
        guard
            let place = Self.variable(
                "PACSFS_MOUNTPOINT", in: Self.content("/etc/default/pacsfs") ?? ""),
            access(place, F_OK) == 0 || Errno.last.code == ENOTCONN
        else {
            return add(
                .problem, subject,
                """
                The service pacsfs has no mount point: make the directory that PACSFS_MOUNTPOINT \
                in /etc/default/pacsfs names.
                """
            )
        }
        add(.ok, subject, "the service pacsfs shows the archive on \(place)")
    }

    /// The value of a variable in a file for systemd's `EnvironmentFile=`.
    static func variable(_ name: String, in text: String) -> String? {
        text.split(separator: "\n").last { $0.hasPrefix(name + "=") }.map {
            $0.dropFirst(name.utf8.count + 1).trimmingCharacters(
                in: CharacterSet(charactersIn: "\"' \t"))
        }
    }

    private mutating func checkSamba() {
        let mountpoints = Paths.mountpoints().filter { $0.source == archive }.map(\.path)
        let shares = (Self.content("/etc/samba/smb.conf") ?? "").split(separator: "\n").filter {
            line in
            let parts = line.split(separator: "=", maxSplits: 1).map {
                $0.trimmingCharacters(in: .whitespaces)
            }
            return parts.count == 2 && parts[0].lowercased() == "path"
                && mountpoints.contains { AbsolutePath.isInside(parts[1], $0) }
        }
        guard !shares.isEmpty else { return }
        add(
            .problem, "Samba",
            Self.isInPath("smbd")
                ? nil
                : """
                /etc/samba/smb.conf shares the mount, but smbd is missing. Install it with: \
                sudo apt install samba
                """,
            else: "shares the mount")
    }

    static func isInPath(_ program: String) -> Bool {
        let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
        return (path.split(separator: ":") + ["/usr/sbin", "/usr/bin"]).contains {
            access("\($0)/\(program)", X_OK) == 0
        }
    }
}
