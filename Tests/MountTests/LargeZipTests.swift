import Glibc
import TestSupport
import SyntheticStudy
import Testing

/// A zip archive that takes long to unpack, and the work that goes on meanwhile.
@Suite(
    "Large zip archives", .serialized,
    .enabled(if: PacsfsProgram.canMount, PacsfsProgram.cannotMount))
struct LargeZipTests {
    /// The number of images in a zip archive that takes many times as long as the work meanwhile.
    /// No test waits for the last of them.
    private static let images = 15_000

    @Test(
        """
        While one that was renamed is unpacked incoming can be used, small ones pass, and a stop \
        and a start go on with it
        """
    )
    func renamed() throws {
        try MountedArchive.with { archive in
            let small = try archive.writeImages(3)
            let tiny = SyntheticStudy(
                seed: 1, modality: .computedTomography, series: 1, imagesPerSeries: 1, side: 16)
            try Files.write(tiny.image(series: 0, index: 0).write(), to: archive.work + "/tiny.dcm")
            try archive.handOver()
            try archive.python(
                """
                import re, time, zipfile
                data = open('tiny.dcm', 'rb').read()
                uid = re.search(rb'\\x08\\x00\\x18\\x00UI..([0-9.]+)', data)[1]
                with zipfile.ZipFile('large.zip', 'w') as file:
                    for number in range(\(Self.images)):
                        file.writestr(f'CD/{number}.dcm', data.replace(uid, uid[:-5] + b'%05d' % \
                number))
                with zipfile.ZipFile('small.zip', 'w') as file: file.write('2.dcm')
                # As rsync does, in a folder of its own.
                os.mkdir(f'{I}/CD')
                subprocess.run(['cp', 'large.zip', f'{I}/CD/.large.zip.Ab3dE6'], check=True)
                os.rename(f'{I}/CD/.large.zip.Ab3dE6', f'{I}/CD/large.zip')
                reason = lambda: os.getxattr(f'{I}/CD/large.zip', 'user.pacsfs.reason').decode()
                assert os.listdir(f'{I}/CD') == ['large.zip'], os.listdir(f'{I}/CD')
                subprocess.run(['cp', '3.dcm', f'{I}/CD/'], check=True)
                subprocess.run(['cp', 'small.zip', I], check=True)
                # Its list of files is read first.
                while 'Being unpacked' not in reason(): time.sleep(0.05)
                status = subprocess.run([os.environ['PACSFS'], 'status'], capture_output=True, \
                text=True).stdout
                assert re.search(r'Unpacking +incoming/CD/large.zip: [0-9]+ of \(Self.images) \
                files', status), status
                assert re.match(r'Being unpacked: [0-9]+ of \(Self.images) files.', reason()), \
                reason()
                """)
            try archive.expectArchived(small[1])
            try archive.expectArchived(small[2])
            // It is stopped in the middle, and the next start does not wait for it.
            try archive.unmount()
            try archive.mount()
            try archive.python(
                """
                reason = os.getxattr(f'{I}/CD/large.zip', 'user.pacsfs.reason').decode()
                assert 'unpacked' in reason or 'not closed yet' in reason, reason
                """)
            let before = try archive.status().instances
            #expect(try eventually(within: 60) { try archive.status().instances > before })
            // Another file does not take the name from the one that was promised. A file that a
            // person removes is gone.
            try archive.python(
                """
                subprocess.run(['cp', '1.dcm', f'{I}/CD/.large.zip.part'], check=True)
                os.rename(f'{I}/CD/.large.zip.part', f'{I}/CD/large.zip')
                # 3.dcm, which is archived, may have gone from here by now, or not.
                names = sorted(set(os.listdir(f'{I}/CD')) - {'3.dcm'})
                assert names == ['large (1).zip', 'large.zip'], names
                assert 'unpacked' in os.getxattr(f'{I}/CD/large (1).zip', \
                'user.pacsfs.reason').decode()
                os.unlink(f'{I}/CD/large (1).zip')
                """)
            try archive.expectArchived(small[0])
            try archive.unmount()
            try archive.mount()
            try archive.settled(within: 60)
            let status = try archive.status()
            #expect(status.instances > before && status.instances < Self.images)
            #expect((status.rejected, status.incoming.pending) == (0, 0))
        }
    }
}
