import Foundation
import TestSupport
import SyntheticStudy
import Testing

/// Copies that are damaged below the archive, and people who open the images all the same.
@Suite(
    "Damaged copies", .serialized, .enabled(if: PacsfsProgram.canMount, PacsfsProgram.cannotMount))
struct DamageTests {
    private func writeImages(_ archive: MountedArchive, _ count: Int) throws {
        let study = SyntheticStudy(
            seed: 11, modality: .computedTomography, series: 1, imagesPerSeries: count, side: 16)
        for (number, image) in study.images().enumerated() {
            try Files.write(image.write(), to: "\(archive.work)/images/\(number).dcm")
        }
        try archive.mustShell(
            "sha256sum images/* | cut -c1-64 | sort >known; \"$PACSFS\" import images >/dev/null",
            timeout: 120)
    }

    @Test(
        """
        After a thousand faults in the copies of one volume every reader gets the right bytes, \
        and all is healed
        """,
        arguments: [(1, ReadMode.passthrough, 1_000), (2, .cached, 200)])
    func faults(_ volume: Int, _ mode: ReadMode, _ count: Int) throws {
        try MountedArchive.with(mode) { archive in
            try writeImages(archive, count + 100)
            // Some have been opened before, and are in every cache there is.
            try archive.mustShell(
                "find \"$M/by-patient\" -type f -name '*[05].dcm' -print0 | xargs -0 cat | wc -c")
            try archive.python(
                """
                import random, glob, shutil
                random.seed(20)
                blobs = sorted(glob.glob('../volume\(volume)/blobs/*/*/*.dcm'))
                for n, path in enumerate(random.sample(blobs, \(count))):
                    kind = n % 4
                    data = bytearray(open(path, 'rb').read())
                    os.chmod(path, 0o644)
                    if kind == 0:
                        at = random.randrange(len(data)); data[at] ^= 1 << random.randrange(8)
                        f = open(path, 'r+b'); f.write(data); f.close()
                    elif kind == 1: os.truncate(path, random.randrange(len(data)))
                    elif kind == 2: os.unlink(path)
                    else:
                        other = open(random.choice([b for b in blobs if b != path and \
                os.path.exists(b)]), 'rb').read()
                        os.unlink(path); open(path, 'wb').write(other)
                """)
            // Everything is read twice: by name and by UID.
            for view in ["by-patient", "by-uid"] {
                try archive.mustShell(
                    """
                    find \"$M/\(view)\" -type f -print0 | xargs -0 -P 4 -n 50 sha256sum | cut \
                    -c1-64 | sort | cmp - known
                    """,
                    timeout: 180)
            }
            if volume == 1 {
                // The first bad copies were healed as they were met; then the volume counts as
                // failing, and the other is read first.
                let status = try archive.pacsfs("status")
                #expect(
                    status.code == 1 && status.lines.first?.contains("failing") == true,
                    "\(status.report)")
            }
            let scrub = try archive.pacsfs("scrub", timeout: 120)
            #expect(scrub.code == 1, "\(scrub.report)")
            try archive.mustShell(
                """
                cd ../volume\(volume)
                find blobs -name '*.dcm' | sed 's|.*/\\(.*\\)\\.dcm$|\\1  &|' | sha256sum -c --quiet
                test "$(find blobs -name '*.dcm' | wc -l)" = \(count + 100)
                test "$(find rejected/bad-blobs -type f | wc -l)" = \(count * 3 / 4)
                """)
            // Read whole without a fault, the volume is trusted again.
            let again = try archive.pacsfs("scrub", timeout: 120)
            #expect(again.code == 0, "\(again.report)")
            #expect(try archive.isWellOnOneDisk())
        }
    }

    @Test(
        "An image whose copies are all bad is an error to read, and status lists it",
        arguments: ReadMode.allCases)
    func allCopies(_ mode: ReadMode) throws {
        try MountedArchive.with(mode) { archive in
            let image = try archive.writeImages(2)[0]
            try archive.mustShell("cp 1.dcm 2.dcm \"$I/\"")
            let digest = try Files.digest(image)
            let path = try #require(try archive.image(digest)?.paths.first)
            try archive.mustShell("cat \"$FILE\" >/dev/null", ["FILE": path])
            for volume in archive.volumes {
                let blob =
                    blobPath(digest, on: volume)
                try archive.mustShell(
                    "chmod 644 \"$BLOB\"; printf X | dd of=\"$BLOB\" bs=1 seek=700 conv=notrunc",
                    ["BLOB": blob])
            }
            for _ in 1...2 {
                let run = try archive.shell("cat \"$FILE\"", ["FILE": path])
                #expect(
                    run.code != 0 && run.outputBytes.isEmpty
                        && run.errors.contains("Input/output error"), "\(run.report)")
            }
            let status = try archive.pacsfs("status")
            #expect(status.code == 2, "\(status.report)")
            #expect(
                status.lines.first?.hasPrefix("DATA AT RISK: 1 of 2 images has no good copy")
                    == true, "\(status.report)")
            #expect(status.output.contains(digest), "\(status.report)")
            // The original is given again, and all is well.
            try archive.mustShell("cp 1.dcm \"$I/again.dcm\"; cmp 1.dcm \"$FILE\"", ["FILE": path])
            #expect(try archive.isWellOnOneDisk())
            try archive.expectArchived(image)
        }
    }

    @Test(
        "Cached pages of a bad copy are not shown when the image is opened from another volume",
        arguments: ReadMode.allCases)
    func keptPages(_ mode: ReadMode) throws {
        try MountedArchive.with(mode) { archive in
            try writeImages(archive, 1)
            try archive.python(
                """
                import glob, json, time
                right = open('images/0.dcm', 'rb').read()
                name = glob.glob(M + '/by-uid/*/*/*.dcm')[0]
                blob = glob.glob('../volume1/blobs/*/*/*.dcm')[0]
                # Seen to be good, and altered before a byte of it was given.
                reader = open(name, 'rb', buffering=0)
                os.chmod(blob, 0o644)
                wrong = bytearray(right); wrong[-1] ^= 1
                with open(blob, 'r+b') as f: f.write(wrong)
                reader.read(len(right)); reader.close()
                # The volume goes: nothing is found to be bad, so nothing is healed.
                os.rename('../volume1', '../away')
                def is_online():
                    run = subprocess.run([os.environ['PACSFS'], 'status', '--json'], \
                capture_output=True)
                    return json.loads(run.stdout)['volumes'][0]['state'] == 'online'
                while is_online(): time.sleep(0.1)
                assert open(name, 'rb').read() == right
                os.rename('../away', '../volume1')
                """)
        }
    }
}
