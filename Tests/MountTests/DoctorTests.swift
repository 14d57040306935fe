import Foundation
import Glibc
import TestSupport
import Testing

/// `pacsfs doctor`, which is shown each fault that can be made.
@Suite(
    "The doctor", .serialized,
    .enabled(if: PacsfsProgram.canMount, PacsfsProgram.cannotMount),
    .enabled(if: geteuid() == 0, "only root can make the faults"))
struct DoctorTests {
    /// `expect(level, subject, words)` runs the doctor and looks for a finding; faults are undone
    /// by whoever made them. Mounts that a script makes are seen by nobody else.
    private static let beginning = #"""
        import os, sys, subprocess, json, shutil
        D = os.path.dirname(os.getcwd()); A = D + '/archive'; V1 = D + '/volume1'; V2 = D + \#
        '/volume2'; M = D + '/mount'
        def sh(command): subprocess.run(['bash', '-euc', command], check=True)
        def doctor(user=()):
            run = subprocess.run([*user, os.environ['PACSFS'], 'doctor', '--json', '--timeout', \#
        '1'], capture_output=True, text=True, timeout=30)
            try: report = json.loads(run.stdout)
            except ValueError: sys.exit(run.stdout + run.stderr)
            assert run.returncode == ['ok', 'attention', 'problem'].index(report['level']), \#
        run.returncode
            return report['findings']
        def expect(level, subject, words, user=()):
            found = doctor(user)
            if not any(f['level'] == level and f['subject'] == subject and words in f['text'] \#
        for f in found):
                sys.exit(f'{level} {subject} "{words}" is not among\n' + '\n'.join(map(str, found)))

        """#

    /// What lies on disk before and after: the doctor changes nothing.
    private func examine(
        _ archive: MountedArchive, _ script: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        try Files.write(Array((Self.beginning + script).utf8), to: archive.work + "/faults.py")
        try archive.mustShell(
            "unshare --mount --propagation private /usr/bin/env python3 faults.py",
            sourceLocation: sourceLocation)
    }

    @Test(
        "Where a file system keeps no modes, chmod is no advice",
        .enabled(
            if: FileManager.default.isExecutableFile(atPath: "/usr/bin/rclone"),
            "there is no rclone (Debian: rclone)"))
    func withoutModes() throws {
        try MountedArchive.with(isMounted: false) { archive in
            try examine(
                archive,
                #"""
                import time
                volume = 'volume ' + V1
                def remounted(options, body):
                    # The same volume by way of FUSE, which shows one mode for all folders.
                    os.rename(V1, 'kept'); os.mkdir(V1)
                    mount = subprocess.Popen(['rclone', 'mount', '--config', '/dev/null', \#
                '--umask', '022', *options, os.getcwd() + '/kept', V1])
                    try:
                        end = time.monotonic() + 60
                        while not os.path.ismount(V1):
                            assert mount.poll() is None and time.monotonic() < end, 'no mount'
                            time.sleep(0.05)
                        body([f['text'] for f in doctor() if f['subject'] == volume])
                    finally:
                        sh(f'fusermount3 -u {V1} || umount -l {V1}'); mount.wait(60)
                        os.rmdir(V1); os.rename('kept', V1)
                def open_to_all(texts):
                    assert any('keeps no modes' in t and 'umask=077' in t for t in texts), texts
                    assert not any('chmod' in t or 'chown' in t for t in texts), texts
                remounted(['--allow-other'], open_to_all)
                # Nobody else reaches it.
                def private(texts): assert not any('Other users' in t for t in texts), texts
                remounted([], private)
                """#)
        }
    }

    @Test("It finds what is wrong with the machine, the configuration, the disks and the services")
    func machine() throws {
        try MountedArchive.with(isMounted: false) { archive in
            try archive.importSamples()
            try examine(
                archive,
                #"""
                listing = f"find {A} {V1} {V2} -printf '%p %s %T@ %m\\n' | sort | sha256sum"
                before = subprocess.check_output(listing, shell=True)
                expect('ok', '/dev/fuse', 'can be used')
                expect('ok', 'configuration', '2 copies on 2 volumes')
                expect('ok', 'archive', A)
                expect('ok', 'volume ' + V1, "is the archive's")
                expect('attention', 'volume ' + V2, 'NOT SAFE: it is on one disk with ' + V1)
                expect('ok', 'mount', 'not mounted')
                assert before == subprocess.check_output(listing, shell=True)

                # The machine.
                nobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']
                sh(f'chmod 755 {D} .; mknod fuse c 10 254; mount --bind fuse /dev/fuse')
                expect('problem', '/dev/fuse', 'modprobe fuse')
                sh('umount /dev/fuse; rm fuse; mknod -m 600 fuse c 10 229; mount --bind fuse \#
                /dev/fuse')
                expect('problem', '/dev/fuse', 'closed to users', nobody)
                expect('attention', '/etc/fuse.conf', 'user_allow_other', nobody)
                expect('problem', 'archive', 'cannot be read by this user', nobody)
                sh('echo user_allow_other >conf; mount --bind conf /etc/fuse.conf; mount --bind \#
                /dev/null /usr/bin/fusermount3')
                expect('ok', '/etc/fuse.conf', 'lets users', nobody)
                expect('problem', 'fusermount3', 'apt install fuse3', nobody)
                sh('umount /dev/fuse /etc/fuse.conf /usr/bin/fusermount3')
                expect('attention', 'open files', 'nofile', ['prlimit', '--nofile=1000'])

                # The configuration.
                good = open(A + '/pacsfs.toml').read()
                def configured(text, level, words):
                    open(A + '/pacsfs.toml', 'w').write(text)
                    expect(level, 'configuration', words)
                configured('readers = "no-such-group"\n' + good, 'problem', 'groupadd --system \#
                no-such-group')
                configured('readers = 4711\n' + good, 'attention', 'no "writers"')
                configured('copys = 2\n' + good, 'problem', '"copys" is not a setting')
                os.remove(A + '/pacsfs.toml')
                expect('problem', 'archive', 'no pacsfs.toml')
                open(A + '/pacsfs.toml', 'w').write(good)

                # The archive's directory.
                os.chmod(A, 0o755); expect('attention', 'archive', f'chmod 700 {A}'); \#
                os.chmod(A, 0o700)
                os.chown(A + '/index.sqlite', 1, 1); expect('problem', 'archive', 'index.sqlite \#
                does not belong'); os.chown(A + '/index.sqlite', 0, 0)
                os.rename(A + '/archive.json', 'kept'); expect('problem', 'archive', \#
                'archive.json is missing'); os.rename('kept', A + '/archive.json')
                sh(f'cp -a {A} kept; mount -t tmpfs -o size=8M,mode=700 tmpfs {A}; cp -a kept/. \#
                {A}/')
                expect('problem', 'archive', 'is full')
                sh(f'mount -o remount,size=200M {A}'); expect('attention', 'archive', 'left. \#
                Make room'); sh(f'umount {A}; rm -r kept')

                # The volumes.
                volume = 'volume ' + V1
                os.chmod(V1 + '/blobs', 0o755); expect('attention', volume, f'chmod 700 \#
                {V1}/blobs'); os.chmod(V1 + '/blobs', 0o700)
                os.chown(V1 + '/ledger', 1, 1); expect('problem', volume, 'ledger does not \#
                belong'); os.chown(V1 + '/ledger', 0, 0)
                os.rename(V1, 'kept'); expect('problem', volume, 'is not there')
                os.mkdir(V1); expect('problem', volume, 'its disk is not mounted'); \#
                os.rmdir(V1); os.rename('kept', V1)
                sh(f'cp {V1}/pacsfs-volume.json kept; sed -i \'s/"archive": \#
                "[0-9a-f]*/"archive": "00000000/\' {V1}/pacsfs-volume.json')
                expect('problem', volume, 'belongs to another archive'); sh(f'cp kept \#
                {V1}/pacsfs-volume.json')

                # A disk of its own, as the first volume.
                sh(f'cp -a {V1} copy; mount -t tmpfs -o size=64M,mode=755 tmpfs {V1}; cp -a \#
                copy/. {V1}/')
                expect('attention', volume, 'not in /etc/fstab')
                expect('ok', 'volume ' + V2, "is the archive's")
                open('fstab', 'w').write(f'# a comment\nLABEL=one {V1} ext4 noauto 0 2\n'); \#
                sh('mount --bind fstab /etc/fstab')
                expect('attention', volume, '"noauto"')
                open('fstab', 'w').write(f'LABEL=one\t{V1}\text4\tnofail 0 2\n')
                expect('ok', volume, "is the archive's")
                sh(f'head -c 62M /dev/zero >{V1}/fill'); expect('problem', volume, 'It is \#
                full'); os.remove(V1 + '/fill')
                sh(f'mount -o remount,nr_inodes=400 tmpfs {V1}'); expect('attention', volume, \#
                'inodes')
                sh(f'mount -o remount,ro tmpfs {V1}'); expect('problem', volume, 'read-only')
                sh(f'umount {V1}; mv {V1} kept2; mkdir {V1}'); expect('problem', volume, \#
                f'mount {V1}'); sh(f'rmdir {V1}; mv kept2 {V1}')

                # The clock, as seen from a ledger that goes on in a later century.
                segment = subprocess.check_output(f'ls {V2}/ledger/*/000001.jsonl', shell=True, \#
                text=True).strip()
                ledger = open(segment).read(); lines = ledger.splitlines(True)
                lines[-1] = lines[-1].replace('"t":"20', '"t":"21')
                open(segment, 'w').write(''.join(lines)); expect('problem', 'clock', \#
                'timedatectl'); open(segment, 'w').write(ledger)

                # What starts with the machine.
                sh('mkdir units default; mount --bind units /etc/systemd/system; mount --bind \#
                default /etc/default')
                expect('attention', 'start-up', 'Scripts/install')
                sh('touch units/pacsfs.service'); expect('attention', 'start-up', 'systemctl \#
                enable --now pacsfs')
                sh('mkdir units/multi-user.target.wants; ln -s nowhere \#
                units/multi-user.target.wants/pacsfs.service')
                open('default/pacsfs', \#
                'w').write('PACSFS_ARCHIVE=/elsewhere\nPACSFS_MOUNTPOINT=/nowhere\n'); \#
                expect('attention', 'start-up', 'another archive, /elsewhere')
                open('default/pacsfs', \#
                'w').write(f'PACSFS_ARCHIVE="{A}"\nPACSFS_MOUNTPOINT=/nowhere\n'); \#
                expect('problem', 'start-up', 'no mount point')
                open('default/pacsfs', \#
                'w').write(f'PACSFS_ARCHIVE={A}\nPACSFS_MOUNTPOINT={M}\n'); expect('ok', \#
                'start-up', M)
                sh('ln -s nowhere units/multi-user.target.wants/pacsfs-receive.service')
                os.environ['PATH'] += ':' + os.getcwd() + '/bin'; sh('mkdir -p bin; printf x \#
                >bin/storescp; chmod 755 bin/storescp')
                expect('ok', 'storescp', 'pacsfs receive')
                """#)
            let missing = try archive.pacsfs("doctor", "--archive", "nowhere")
            #expect(
                missing.code == 2 && missing.output.contains("✗ archive")
                    && missing.output.contains("pacsfs init"))
            let text = try archive.pacsfs("doctor")
            #expect(
                text.code == 1 && text.lines.first?.hasPrefix("✓ /dev/fuse") == true,
                "\(text.report)")
        }
    }

    @Test("It finds a mount or a daemon that does not answer, and what is mounted inside")
    func mount() throws {
        try MountedArchive.with { archive in
            let daemon = try #require(archive.daemon)
            try examine(
                archive,
                #"""
                expect('ok', 'mount ' + M, 'answers')
                expect('ok', 'daemon', 'process \#(daemon): Ready')
                sh(f'mount -t tmpfs tmpfs {M}/incoming')
                expect('attention', 'mount ' + M, f'umount {M}/incoming')
                sh(f'umount {M}/incoming')
                sh(f'printf "[images]\\n  path = {M}/by-patient\\n" >smb.conf; mkdir -p etc; cp \#
                -a /etc/samba etc/ 2>/dev/null || mkdir etc/samba; cp smb.conf etc/samba/')
                if os.path.isdir('/etc/samba'):
                    sh('mount --bind etc/samba /etc/samba')
                    level = 'ok' if shutil.which('smbd', path=os.environ['PATH'] + \#
                ':/usr/sbin') else 'problem'
                    expect(level, 'Samba', 'shares the mount')
                os.rename(A + '/control.sock', A + '/moved')
                expect('problem', 'daemon', 'control.sock cannot be reached')
                os.rename(A + '/moved', A + '/control.sock')
                sh('kill -STOP \#(daemon)')
                try:
                    expect('problem', 'mount ' + M, 'does not answer')
                    expect('problem', 'daemon', 'does not answer')
                finally: sh('kill -CONT \#(daemon)')
                """#)
            try archive.killDaemon()
            let stale = try archive.pacsfs("doctor", "--json")
            #expect(
                stale.code == 2 && stale.output.contains("Its daemon has died"), "\(stale.report)")
            let status = try archive.pacsfs("status")
            #expect(
                status.code == 1 && status.output.hasPrefix("ATTENTION: The daemon that showed"),
                "\(status.report)")
            // What one is told to run works without the variable that this shell has, too.
            let other = try archive.shell(
                "env -u PACSFS_ARCHIVE \"$PACSFS\" status --archive ../archive")
            #expect(
                other.output.contains(
                    "pacsfs mount \(archive.mountpoint) --archive \(archive.archive)\n"),
                "\(other.report)")
            #expect(
                status.output.contains("pacsfs mount \(archive.mountpoint)\n"), "\(status.report)")
        }
    }
}
