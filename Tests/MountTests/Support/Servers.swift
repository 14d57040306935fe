import Foundation
import Glibc
import TestSupport
import Testing

/// An OpenSSH server for one connection at a time, run by the user who connects: no port, no root.
enum SecureShell {
    static let isInstalled =
        (try? ProgramRun([
            "bash", "-c",
            """
            test -x /usr/sbin/sshd && command -v scp sftp ssh-keygen
            """,
        ]))?
        .succeeded == true
    static let isAbsent: Comment = "there is no sshd, or no scp (Debian: openssh-server)"

    /// `scp` and `sftp` with `-F ssh/client` then reach the host `archive`.
    static let start = """
        mkdir -m 700 ssh
        ssh-keygen -q -t ed25519 -N '' -f ssh/host; ssh-keygen -q -t ed25519 -N '' -f ssh/key
        # With PAM: nobody's account is locked for sshd otherwise.
        cat >ssh/config <<END
        HostKey $PWD/ssh/host
        AuthorizedKeysFile $PWD/ssh/key.pub
        StrictModes no
        UsePAM $(if test "$(id -u)" = 0; then echo no; else echo yes; fi)
        PidFile none
        Subsystem sftp internal-sftp
        END
        if test "$(id -u)" = 0; then mkdir -p /run/sshd; fi
        cat >ssh/client <<END
        Host archive
        HostName localhost
        User $(id -un)
        IdentityFile $PWD/ssh/key
        StrictHostKeyChecking no
        UserKnownHostsFile /dev/null
        LogLevel ERROR
        ProxyCommand /usr/sbin/sshd -i -E $PWD/ssh/log -f $PWD/ssh/config
        END

        """
}

/// A share of Samba on the mount, with the settings that the README gives, and its own client.
enum Samba {
    static let isInstalled =
        access("/usr/sbin/smbd", X_OK) == 0 && access("/usr/bin/smbclient", X_OK) == 0
    static let isAbsent: Comment = "there are no smbd and smbclient (Debian: samba, smbclient)"

    /// The lines of the README's share, for `$SHARE`.
    static func share() throws -> String {
        let readme = try Files.text(
            URL(filePath: #filePath).deletingLastPathComponent().path + "/../../../README.md")
        let begin = try #require(readme.range(of: "[images]\n"))
        let end = try #require(readme[begin.upperBound...].range(of: "```"))
        let lines = readme[begin.upperBound..<end.lowerBound].split(separator: "\n")
        return lines.filter { !$0.contains("path =") && !$0.contains("force group") }.joined(
            separator: "\n")
    }

    /// Starts smbd, which writes only in the working directory, and ends it with the script. Every
    /// client is the user `$FORCE` there; `smb` runs a command of smbclient.
    static let start = """
        port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); \
        print(s.getsockname()[1])')
        mkdir -p smb
        cat >smb.conf <<EOF
        [global]
            server role = standalone server
            map to guest = bad user
            guest account = nobody
            interfaces = lo
            bind interfaces only = yes
            smb ports = $port
            disable netbios = yes
            load printers = no
            disable spoolss = yes
            log file = $PWD/smb/log
            private dir = $PWD/smb
            lock directory = $PWD/smb
            state directory = $PWD/smb
            cache directory = $PWD/smb
            pid directory = $PWD/smb
            ncalrpc dir = $PWD/smb/ncalrpc
        [images]
            path = $M
            guest ok = yes
            force user = $FORCE
        $SHARE
        EOF
        /usr/sbin/smbd --foreground -s "$PWD/smb.conf" </dev/null >smb/out 2>&1 &
        server=$!
        trap 'kill $server; wait $server || true' EXIT
        smb() { smbclient -s "$PWD/smb.conf" -N -U% -p "$port" //127.0.0.1/images -c "$1" 2>&1 | \
        tee smb/client; ! grep -q 'NT_STATUS_' smb/client; }
        for ((n = 0; n < 100; n++)); do ! smb ls >/dev/null || break; kill -0 $server; sleep \
        0.1; done

        """
}
