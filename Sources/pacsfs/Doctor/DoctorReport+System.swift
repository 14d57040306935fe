import Foundation
import FuseServer
import System

// The kernel, and permissions of this user.
extension DoctorReport {
    mutating func checkSystem() {
        let mountsItself = Capabilities.effective.contains(.systemAdministration)
        add(.problem, "/dev/fuse", Mountpoint.deviceProblem(), else: "can be used")
        if mountsItself {
            add(.ok, "mounting", "this user mounts, and lets others in")
        } else {
            add(.problem, "fusermount3", Mountpoint.helperProblem(), else: "mounts for this user")
            add(
                .attention, "/etc/fuse.conf", Mountpoint.othersProblem(),
                else: "lets users show their mounts to others")
        }
        checkKernel(mountsItself)
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        add(
            .attention, "open files",
            limit.rlim_max < 4096
                ? """
                Only \(limit.rlim_max) at once: reads may fail when many viewers work \
                together. Raise the limit in /etc/security/limits.conf (nofile), or \
                LimitNOFILE= of the service.
                """
                : nil, else: "\(limit.rlim_max) at once")
        checkSecurityModules(mountsItself)
    }

    private mutating func checkKernel(_ mountsItself: Bool) {
        let release = Self.content("/proc/sys/kernel/osrelease") ?? "0"
        let numbers = release.split { !$0.isNumber }.prefix(2).compactMap { Int($0) }
        let isNew = numbers.count == 2 && (numbers[0], numbers[1]) >= (6, 9)
        let reading =
            !isNew
            ? "images are read through the daemon; since Linux 6.9 the kernel can read them alone"
            : mountsItself
                ? "the kernel reads images alone (passthrough)"
                : "images are read through the daemon; the kernel reads them alone only for root"
        add(.ok, "Linux \(release)", reading)
    }

    private mutating func checkSecurityModules(_ mountsItself: Bool) {
        if Self.content("/sys/fs/selinux/enforce") == "1" {
            add(
                .attention, "SELinux",
                """
                It is enforcing. If Samba shares the mount: setsebool -P samba_share_fusefs on. If \
                anything else is refused: ausearch -m avc -ts recent
                """
            )
        }
        // Ubuntu's profile lists the directories on which users may mount.
        let profile = "/etc/apparmor.d/fusermount3"
        if !mountsItself, Self.content("/sys/module/apparmor/parameters/enabled") == "Y",
            access(profile, F_OK) == 0
        {
            add(
                .attention, "AppArmor",
                """
                \(profile) lists the directories on which users may mount. If a mount is refused, \
                choose one of those, or add yours to /etc/apparmor.d/local/fusermount3.
                """
            )
        }
    }

    /// The text of a small file, without the newline at its end; `nil` when it cannot be read.
    static func content(_ path: String) -> String? {
        guard let data = try? FileIO.content(of: path) else { return nil }
        return String(decoding: data, as: UTF8.self).trimmingCharacters(in: .newlines)
    }
}
