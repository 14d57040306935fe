import Archive
import Foundation
import Glibc
import Offsite
import OffsiteSupport
import TestSupport
import Testing

/// A program that encrypts files: first as a client, by the mount and by Samba, then as root with
/// everything that this machine has.
@Suite(
    "A file encryptor", .serialized,
    .enabled(if: PacsfsProgram.canMount, PacsfsProgram.cannotMount),
    .enabled(if: PythonPrograms.weed != nil, PythonPrograms.areAbsent),
    .enabled(if: geteuid() == 0, "smbd becomes another user, as only root can"),
    .timeLimit(.minutes(15)))
struct EncryptorTests {
    @Test(
        "loses nothing that status calls wipe-proof, and everything that these keys can delete",
        arguments: [false, true])
    func everything(mayEndLocks: Bool) throws {
        var remote = try TestRemote(.s3, isLocked: true)
        if !mayEndLocks {
            remote.location.options["access_key_id"] = TestRemote.machine
            remote.location.options["no_check_bucket"] = "true"
        }
        try MountedArchive.with(isMounted: false, minimumCopies: 1) { archive in
            let rclone = ["PACSFS_RCLONE": PythonPrograms.rclone ?? ""]
            try prepare(archive, remote, rclone)
            let before = try shown(archive)
            let said = try archive.pacsfs("offsite", "list").output
            #expect(
                said.contains(mayEndLocks ? "these keys can delete everything" : "wipe-proof"),
                "\(said)")

            try attackMount(archive)
            if Samba.isInstalled { try attackShare(archive) }
            #expect(try shown(archive) == before)

            let access = try RemoteAccess(
                RemoteSecrets("away", of: archive.archive).configuration(),
                Rclone(program: PythonPrograms.rclone))
            try archive.unmount()
            // Versions are told apart by whole seconds.
            usleep(1_100_000)
            try archive.mustShell("rm -rf ../archive ../volume1 ../volume2")
            try wipe(access, archive)
            let sheet = try Files.text(archive.work + "/sheet.txt")
            let restored = try archive.shell(
                """
                mkdir bin; ln -s "$PACSFS" bin/pacsfs; PATH="$PWD/bin:$PATH"
                unset PACSFS PACSFS_ARCHIVE M I
                \(OffsiteRestoreTests.commands(sheet, "pacsfs"))
                """, rclone, timeout: 300)
            if mayEndLocks {
                #expect(restored.code != 0 && !archive.isMounted, "\(restored.report)")
                return
            }
            #expect(restored.succeeded && restored.output.contains("ATTENTION"))
            #expect(try shown(archive) == before, "\(restored.report)")
            let verified = try archive.pacsfs("verify")
            #expect(verified.code == 0, "\(verified.report)")
        }
    }

    private func prepare(
        _ archive: MountedArchive, _ remote: TestRemote, _ rclone: [String: String]
    ) throws {
        try archive.configure {
            $0.replacing("ignore_case = false", with: "ignore_case = true")
                + "\n[offsite.away]\nkeep_years = 10\n"
        }
        try archive.writeSamples()
        // The guest of Samba has to come as far as the mount.
        chmod(archive.folder.path, 0o711)
        // A server that has just begun may answer InternalError.
        try archive.mustShell(
            """
            "$PACSFS" import samples >/dev/null; "$PACSFS" mount "$M"
            for try in 1 2 3 4 5 6 7 8 9 10; do
                "$PACSFS" offsite add away '\(remote.written)' --encrypt && break
                sleep 1
            done
            "$PACSFS" offsite sheet -o sheet.txt
            "$PACSFS" offsite push
            """, rclone, timeout: 120)
    }

    /// What the views show.
    private func shown(_ archive: MountedArchive) throws -> String {
        try archive.mustShell(
            "cd \"$M\"; find by-* -type f -print0 | sort -z | xargs -0 sha256sum"
        ).output
    }

    /// Everything that a program does which wants to be paid, to everything in the mount.
    private func attackMount(_ archive: MountedArchive) throws {
        try archive.python(
            """
            def overwrite(path):
                with open(path, 'r+b') as file: file.write(b'ENCRYPTED' * 100)
            def replace(path):
                with open(path + '.locked', 'wb') as file: file.write(b'ENCRYPTED')
                os.replace(path + '.locked', path)
            attacks = [overwrite, replace, lambda path: os.truncate(path, 0),
                       lambda path: os.rename(path, path + '.locked'),
                       lambda path: os.chmod(path, 0o666), os.unlink, os.rmdir]
            done = tried = 0
            for folder, folders, files in os.walk(M, topdown=False):
                for name in files + folders:
                    path = os.path.join(folder, name)
                    for attack in attacks:
                        tried += 1
                        try: attack(path)
                        except OSError: continue
                        if '/by-' in path: done += 1
            assert tried > 500 and done == 0, (tried, done)
            """, timeout: 120)
    }

    private func attackShare(_ archive: MountedArchive) throws {
        try archive.mustShell(
            Samba.start + #"""
                echo ENCRYPTED >evil
                (cd "$M"; find by-* -depth) | while IFS= read -r path; do
                    path=${path//\//\\}
                    printf 'put evil "%s"\nrename "%s" "%s.locked"\ndel "%s"\nrmdir "%s"\n' \
                        "$path" "$path" "$path" "$path" "$path"
                done >attack
                smbclient -s "$PWD/smb.conf" -N -U% -p "$port" //127.0.0.1/images <attack \
                    >attacked 2>&1 || true
                test "$(grep -c NT_STATUS_ attacked)" -ge "$(grep -c '^put' attack)"
                """#, ["SHARE": try Samba.share(), "FORCE": "daemon"], timeout: 120)
    }

    /// Overwrites and deletes everything on the remote, old versions too, with the archive's keys.
    private func wipe(_ access: RemoteAccess, _ archive: MountedArchive) throws {
        let names = String(
            decoding: try access.rclone(["lsf", "-R", "--files-only", access.base()]),
            as: UTF8.self
        ).split(separator: "\n")
        #expect(names.count > 3)
        for name in names {
            try Files.write(Array("ENCRYPTED".utf8), to: "\(archive.work)/wiped/\(name)")
        }
        for arguments in [
            ["copy", archive.work + "/wiped", access.base(), "--ignore-times"],
            ["delete", access.base()],
            ["delete", access.base(), "--s3-versions"],
            ["delete", access.base(), "--s3-versions", "--s3-bypass-governance-retention"],
        ] { _ = try access.run(arguments, "") }
    }
}
