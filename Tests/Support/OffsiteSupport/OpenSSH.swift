import Foundation
import Glibc
import TestSupport
import Testing

/// A real sshd on loopback, for whoever runs the tests and has the key in its folder.
public struct OpenSSH: Sendable {
    public static let isInstalled =
        access("/usr/sbin/sshd", X_OK) == 0 && access("/usr/bin/ssh-keygen", X_OK) == 0
    public static let isAbsent: Comment = "there is no sshd (Debian: openssh-server)"

    let port: Int
    let arguments: [String]
    /// As rclone wants them.
    let options: [String: String]

    /// Makes keys and a configuration; nothing runs yet.
    ///
    /// - Throws: ``ProgramError``.
    init(in folder: TemporaryFolder) throws {
        port = try Server.freePort()
        let place = folder.path("ssh")
        let isRoot = geteuid() == 0
        let run = try ProgramRun([
            "bash", "-euc",
            """
            mkdir -m 700 '\(place)'; cd '\(place)'
            ssh-keygen -q -t ed25519 -N '' -f host; ssh-keygen -q -t ed25519 -N '' -f key
            echo "[127.0.0.1]:\(port) $(cut -d' ' -f1,2 host.pub)" >known_hosts
            cat >config <<END
            ListenAddress 127.0.0.1
            Port \(port)
            HostKey $PWD/host
            AuthorizedKeysFile $PWD/key.pub
            StrictModes no
            UsePAM \(isRoot ? "no" : "yes")
            PidFile none
            MaxStartups 100
            Subsystem sftp internal-sftp
            END
            if \(isRoot); then mkdir -p /run/sshd; fi
            id -un
            """,
        ])
        guard run.succeeded else { throw ProgramError(description: run.report) }
        arguments = ["/usr/sbin/sshd", "-D", "-e", "-f", place + "/config"]
        options = [
            "type": "sftp", "host": "127.0.0.1", "port": "\(port)",
            "user": String(run.output.dropLast()),
            "key_file": place + "/key", "known_hosts_file": place + "/known_hosts",
        ]
    }
}
