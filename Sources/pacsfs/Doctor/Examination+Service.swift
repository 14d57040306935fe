import Archive
import Foundation
import FuseServer
import Storage

// What starts with the machine, and the programs that others bring.
extension Examination {
    /// systemd.unit(5), Unit File Load Path: of the system.
    private static let unitFolders = [
        "/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system",
        "/usr/lib/systemd/system",
        "/lib/systemd/system",
    ]

    private static func isInstalled(_ unit: String) -> Bool {
        unitFolders.contains { access($0 + "/" + unit, F_OK) == 0 }
    }

    /// As `systemctl enable` leaves it; a link may lead to what is not there any more.
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
                    : "pacsfs-receive is to start with the machine, and storescp is missing. Install it with: sudo apt install dcmtk",
                else: "is here, for «pacsfs receive»")
        }
        checkSamba()
    }

    private mutating func checkUnit() {
        let subject = "start-up"
        guard Self.isInstalled("pacsfs.service") else {
            return add(
                .attention, subject,
                "Nothing mounts the archive when the machine starts. Install the service with: sudo Scripts/install (in pacsfs' source folder)"
            )
        }
        guard Self.isEnabled("pacsfs.service") else {
            return add(
                .attention, subject,
                "The service pacsfs is installed, and does not start with the machine: sudo systemctl enable --now pacsfs"
            )
        }
        let named = Self.variable("PACSFS_ARCHIVE", in: Self.content("/etc/default/pacsfs") ?? "")
        if let named, Paths.absolute(named) != archive {
            return add(
                .attention, subject,
                "The service pacsfs shows another archive, \(named). Name this one in /etc/default/pacsfs, if it is the one that matters."
            )
        }
        guard
            let place = Self.variable(
                "PACSFS_MOUNTPOINT", in: Self.content("/etc/default/pacsfs") ?? ""),
            access(place, F_OK) == 0 || errno == ENOTCONN
        else {
            return add(
                .problem, subject,
                "The service pacsfs has no mount point: make the directory that PACSFS_MOUNTPOINT in /etc/default/pacsfs names."
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
        let places = Mountpoint.all().filter { $0.type == "fuse.pacsfs" && $0.source == archive }
            .map(\.path)
        let shares = (Self.content("/etc/samba/smb.conf") ?? "").split(separator: "\n").filter {
            line in
            let parts = line.split(separator: "=", maxSplits: 1).map {
                $0.trimmingCharacters(in: .whitespaces)
            }
            return parts.count == 2 && parts[0].lowercased() == "path"
                && places.contains { AbsolutePath.isInside(parts[1], $0) }
        }
        guard !shares.isEmpty else { return }
        add(
            .problem, "Samba",
            Self.isInPath("smbd")
                ? nil
                : "/etc/samba/smb.conf shares the mount, and smbd is missing. Install it with: sudo apt install samba",
            else: "shares the mount")
    }

    static func isInPath(_ program: String) -> Bool {
        let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
        return (path.split(separator: ":") + ["/usr/sbin", "/usr/bin"]).contains {
            access("\($0)/\(program)", X_OK) == 0
        }
    }
}
