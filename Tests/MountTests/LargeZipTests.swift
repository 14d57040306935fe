import Programs
import Testing

/// A zip archive that takes long to unpack, and what goes on beside it.
@Suite(
    "Large zip archives", .serialized,
    .enabled(if: PacsfsProgram.canMount, PacsfsProgram.cannotMount))
struct LargeZipTests {
    /// Images of a zip archive that takes some seconds.
    private static let images = 1200

    @Test("While one that was renamed is unpacked incoming can be used, small ones pass, and a stop and a start go on with it")
    func renamed() throws {
        try MountedArchive.with { archive in
            let small = try archive.writeImages(3)
            try archive.python(
                """
                import re, zipfile
                data = open('1.dcm', 'rb').read()
                uid = re.search(rb'\\x08\\x00\\x18\\x00UI..([0-9.]+)', data)[1]
                with zipfile.ZipFile('large.zip', 'w') as file:
                    for number in range(\(Self.images)):
                        file.writestr(f'CD/{number}.dcm', data.replace(uid, uid[:-4] + b'%04d' % number))
                with zipfile.ZipFile('small.zip', 'w') as file: file.write('2.dcm')
                # As rsync does, in a folder of its own.
                os.mkdir(f'{I}/CD')
                subprocess.run(['cp', 'large.zip', f'{I}/CD/.large.zip.Ab3dE6'], check=True)
                os.rename(f'{I}/CD/.large.zip.Ab3dE6', f'{I}/CD/large.zip')
                reason = lambda: os.getxattr(f'{I}/CD/large.zip', 'user.pacsfs.reason').decode()
                assert os.listdir(f'{I}/CD') == ['large.zip'], os.listdir(f'{I}/CD')
                subprocess.run(['cp', '3.dcm', f'{I}/CD/'], check=True)
                subprocess.run(['cp', 'small.zip', I], check=True)
                status = subprocess.run([os.environ['PACSFS'], 'status'], capture_output=True, text=True).stdout
                assert re.search(r'Unpacking +incoming/CD/large.zip: [0-9]+ of \(Self.images) files', status), status
                assert re.match(r'Being unpacked: [0-9]+ of \(Self.images) files.', reason()), reason()
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
            try archive.settled(within: 60)
            let status = try archive.status()
            #expect(status.instances == Self.images + 2)
            #expect((status.rejected, status.incoming.pending) == (0, 0))
        }
    }
}
