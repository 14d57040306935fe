import Glibc
import TestSupport
import Testing

/// Files of other users, which root imports, and files that are set aside.
@Suite(
    "Files of others", .serialized,
    .enabled(if: PacsfsProgram.canMount && geteuid() == 0, "only root reads for others"))
struct ForeignFileTests {
    @Test("A folder that becomes a link during an import leads nowhere, and a FIFO holds nobody up")
    func swaps() throws {
        try MountedArchive.with { archive in
            _ = try archive.writeImages(2)
            let daemon = try #require(archive.daemon)
            try archive.mustShell(
                """
                mkdir -p theirs/{folder,file,fifo,image} secret
                echo 'root:!:1' | tee secret/shadow theirs/folder/shadow theirs/file/a >b
                echo junk >theirs/fifo/a; cp 1.dcm theirs/image/
                chmod 600 secret/shadow
                kill -STOP \(daemon)
                trap 'kill -CONT \(daemon)' EXIT
                "$PACSFS" import theirs >output 2>&1 & import=$!
                # The files are listed once it talks to the daemon.
                until ls -l /proc/$import/fd 2>/dev/null | grep -q socket:; do sleep 0.01; done
                mv theirs/folder theirs/old; ln -s ../secret theirs/folder
                rm theirs/file/a; ln -s ../../secret/shadow theirs/file/a
                rm theirs/fifo/a; mkfifo theirs/fifo/a
                kill -CONT \(daemon)
                fails wait $import
                grep -q '1 archived' output && grep -q '3 FAILED' output
                test -z "$(find "$M/rejected" -type f)"
                """, timeout: 60)
        }
    }

    @Test("15,000 nested folders are imported, whatever is in them")
    func deep() throws {
        try MountedArchive.with { archive in
            _ = try archive.writeImages(2)
            try archive.python(
                """
                one, two = open('1.dcm', 'rb').read(), open('2.dcm', 'rb').read()
                # In memory: the disk of the archive would have to sync it all.
                import tempfile
                deep = tempfile.mkdtemp(dir='/dev/shm')
                top = os.open(deep, os.O_RDONLY); here = os.dup(top)
                def write(name, data, folder):
                    fd = os.open(name, os.O_WRONLY | os.O_CREAT, dir_fd=folder)
                    os.write(fd, data); os.close(fd)
                for n in range(15000):
                    os.mkdir('d', dir_fd=here)
                    below = os.open('d', os.O_RDONLY, dir_fd=here)
                    os.close(here); here = below
                write('image.dcm', one, here); write('junk.txt', b'junk', here)
                write('z.dcm', two, top)
                try:
                    run = subprocess.run([os.environ['PACSFS'], 'import', deep],
                        capture_output=True, text=True)
                    assert run.returncode == 1, run
                    assert '2 archived' in run.stdout and '1 rejected' in run.stdout, run.stdout
                finally:
                    # rm -r is slow with paths of this length.
                    for n in range(15000):
                        above = os.open('..', os.O_RDONLY, dir_fd=here)
                        for name in os.listdir(here): os.unlink(name, dir_fd=here)
                        os.close(here); here = above
                        os.rmdir('d', dir_fd=here)
                    os.unlink('z.dcm', dir_fd=top); os.rmdir(deep)
                """, timeout: 120)
            for image in ["1.dcm", "2.dcm"] {
                try archive.expectArchived("\(archive.work)/\(image)")
            }
        }
    }

    @Test("What is set aside can be read by those who could read it before, also after it is moved")
    func rejected() throws {
        try MountedArchive.with { archive in
            try archive.mustShell(
                """
                as() { setpriv --reuid=$1 --regid=$1 --clear-groups -- "${@:2}"; }
                chmod 711 ../ . ; mkdir -m 777 theirs
                as 1234 sh -c 'umask 077; echo mine >theirs/mine; cp theirs/mine "$I/mine"'
                (umask 077; echo secret >"$I/secret"; echo both >"$I/both"; chmod 644 "$I/both")
                until [ "$(find "$M/rejected" -type f ! -name '*.reason.txt' | wc -l)" = 3 ]
                do sleep 0.05; done
                cd "$M"/rejected/*
                test "$(stat -c '%a %u' secret mine both | tr '\\n' ' ')" = '400 0 400 1234 444 0 '
                as 1234 grep -q mine mine
                as 4321 grep -q both both
                grep -q secret secret
                fails as 1234 cat secret
                fails as 4321 cat mine
                """)
            // Who moves it cannot read it afterwards, nor remove it.
            try archive.keepNames()
            try archive.mustShell(
                """
                as() { setpriv --reuid=$1 --regid=$1 --clear-groups -- "${@:2}"; }
                cd "$M"/rejected/*
                as 4321 mv mine secret "$I/"
                fails as 4321 cat "$I/mine"
                fails as 4321 cat "$I/secret"
                fails as 4321 rm -f "$I/secret"
                as 1234 grep -q mine "$I/mine"
                """)
            try archive.settled()
            try archive.mustShell(
                """
                until [ "$(find "$M/rejected" -type f ! -name '*.reason.txt' | wc -l)" = 3 ]
                do sleep 0.05; done
                test "$(stat -c '%a %u' "$M"/rejected/*/{secret,mine} | tr '\\n' ' ')" = \
                '400 0 400 1234 '
                """)
        }
    }
}
