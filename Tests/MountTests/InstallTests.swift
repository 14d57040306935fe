import Foundation
import Glibc
import TestSupport
import Testing

/// `Scripts/install` into a folder, as a package is made; no systemd runs where tests do.
@Suite("Installing", .enabled(if: PacsfsProgram.path != nil, "there is no pacsfs to install"))
struct InstallTests {
    private static let sources = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path

    /// Runs a script in an empty folder; `install ARGUMENT…` installs below `$D`.
    private func run(_ script: String) throws {
        let folder = try TemporaryFolder()
        defer { do { try folder.remove() } catch { Issue.record("\(error)") } }
        let beginning = """
            D=$PWD/root
            install() { "\(Self.sources)/Scripts/install" --destdir "$D" "$@"; }
            has() { command -v "$1" >/dev/null; }
            fails() { ! "$@"; }

            """

        let run = try ProgramRun(
            ["bash", "-euo", "pipefail", "-c", beginning + script], in: folder.path,
            environment: ["PACSFS": PacsfsProgram.path ?? ""], timeout: 120)
        #expect(run.succeeded, "\(run.report)")
    }

    @Test(
        "Program, services, manual and completions are put in place, work, and are taken away again"
    )
    func installation() throws {
        try run(
            #"""
            strip --strip-debug -o pacsfs "$PACSFS" 2>/dev/null || cp "$PACSFS" pacsfs
            install --binary "$PWD/pacsfs"
            (cd root && find . -type f | sort) >files
            diff files - <<'END'
            ./etc/default/pacsfs
            ./usr/local/bin/pacsfs
            ./usr/local/lib/systemd/system/pacsfs-receive.service
            ./usr/local/lib/systemd/system/pacsfs.service
            ./usr/local/share/bash-completion/completions/pacsfs
            ./usr/local/share/fish/vendor_completions.d/pacsfs.fish
            ./usr/local/share/man/man1/pacsfs.1.gz
            ./usr/local/share/pacsfs/installed
            ./usr/local/share/zsh/site-functions/_pacsfs
            END
            root/usr/local/bin/pacsfs --version
            bash -n root/usr/local/share/bash-completion/completions/pacsfs
            if has zsh; then zsh -n root/usr/local/share/zsh/site-functions/_pacsfs; fi
            if has fish; then fish --no-execute \#
            root/usr/local/share/fish/vendor_completions.d/pacsfs.fish; fi
            # The manual has every command, and man finds nothing wrong with it.
            gunzip -k root/usr/local/share/man/man1/pacsfs.1.gz
            for command in init mount unmount import find show status scrub verify rebuild \#
            doctor 'volume add'; do
                grep -q "^\.SS pacsfs $command$" root/usr/local/share/man/man1/pacsfs.1
            done
            if has man; then
                test -z "$(man --warnings -l root/usr/local/share/man/man1/pacsfs.1 2>&1 >page)"
                grep -q 'pacsfs volume replace' page
            fi
            rm root/usr/local/share/man/man1/pacsfs.1
            # systemd can read the services, and thinks them confined. It looks for their programs.
            if has systemd-analyze; then
                mkdir units
                for unit in root/usr/local/lib/systemd/system/*.service; do
                    sed -e "s|=/usr/local|=$D/usr/local|; s|+/usr/local|+$D/usr/local|" -e \#
            "s|=/etc/default|=$D/etc/default|" "$unit" >units/${unit##*/}
                done
                test -z "$(systemd-analyze verify --man=no units/*.service 2>&1 | grep -F pacsfs)"
                systemd-analyze security --offline=true --no-pager --threshold=65 \#
            units/pacsfs.service >/dev/null
                systemd-analyze security --offline=true --no-pager --threshold=45 \#
            units/pacsfs-receive.service >/dev/null
            fi
            # Again: the same, and a configuration is not touched.
            cp -a root before; echo 'PACSFS_ARCHIVE=/srv/pacs' >>root/etc/default/pacsfs
            install --binary "$PWD/pacsfs"
            tail -n 1 root/etc/default/pacsfs | grep -q /srv/pacs
            # Away with all but what was changed.
            echo '# mine' >>root/usr/local/lib/systemd/system/pacsfs.service
            install --uninstall >out
            grep -q "Kept, because it was changed: $D/etc/default/pacsfs" out
            grep -q "archive is in /srv/pacs" out
            test "$(cd root && find . -type f | sort | tr '\n' ' ')" = "./etc/default/pacsfs \#
            ./usr/local/lib/systemd/system/pacsfs.service "
            fails install --uninstall 2>out; grep -q 'is not installed there' out
            # And with nothing changed nothing is left.
            rm -r root; install --binary "$PWD/pacsfs"; install --binary "$PWD/pacsfs"; install \#
            --uninstall >out
            test -z "$(ls -A root)"
            """#)
    }

    @Test("A user of its own, another prefix, and a service that was changed by hand")
    func variants() throws {
        try run(
            #"""
            strip --strip-debug -o pacsfs "$PACSFS" 2>/dev/null || cp "$PACSFS" pacsfs
            mkdir root; echo kept >root/other
            install --binary "$PWD/pacsfs" --prefix /opt/pacsfs --user archivist
            unit=root/etc/systemd/system/pacsfs.service
            grep -q '^ExecStart=/opt/pacsfs/bin/pacsfs mount --foreground' $unit
            grep -q '^User=archivist$' $unit; grep -q '^AmbientCapabilities=CAP_SYS_ADMIN ' $unit
            fails grep '@[A-Z]' root/etc/systemd/system/*.service
            echo '# mine' >>$unit
            install --binary "$PWD/pacsfs" --prefix /opt/pacsfs >out
            grep -q 'pacsfs.service.old' out; tail -n 1 $unit.old | grep -q mine
            fails grep -q '^User=' $unit; rm $unit.old
            install --uninstall --prefix /opt/pacsfs >out
            test "$(find root -type f)" = root/other
            fails install --prefix relative 2>out; fails install --user 'a b' 2>out; fails \#
            install --nonsense 2>out
            """#)
    }
}
