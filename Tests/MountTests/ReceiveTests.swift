import Foundation
import TestSupport
import SyntheticStudy
import Testing

/// What DICOM senders see of `pacsfs receive`, and what they leave in the archive.
@Suite(
    "Receiving from DICOM senders", .serialized,
    .enabled(if: PacsfsProgram.canMount, PacsfsProgram.cannotMount))
struct ReceiveTests {
    /// Sends a file of each transfer syntax, the smallest valid one, with storescu, which must
    /// be told the transfer syntax, with dcmsend, and byte for byte.
    private static let senders = #"""
        import collections, csv, os, subprocess, sys, warnings
        import pydicom
        from scu import *
        from tools import *
        warnings.simplefilter('ignore')
        corpus, port = os.environ['CORPUS'] + '/samples/', os.environ['port']
        options = {'1.2.840.10008.1.2': '-xi', '1.2.840.10008.1.2.1': '-xe', \#
        '1.2.840.10008.1.2.2': '-xb',
                   '1.2.840.10008.1.2.1.99': '-xd', '1.2.840.10008.1.2.5': '-xr'}
        options |= {'1.2.840.10008.1.2.4.' + number: option for number, option in
                    dict([('50', '-xy'), ('51', '-xx'), ('70', '-xs'), ('80', '-xt'), ('81', \#
        '-xu'), ('90', '-xv'), ('91', '-xw')]).items()}
        # DCMTK 3.6.7 does not know them: neither sender reads such a file, and storescp \#
        receives none.
        unknown = {'1.2.840.10008.1.2.4.201', '1.2.840.10008.1.2.4.203', \#
        '1.2.840.10008.1.2.8.1', '1.9.999.99999.9.9.9'}
        chosen = collections.defaultdict(list)
        for row in sorted(csv.DictReader(open(corpus + 'MANIFEST.tsv'), delimiter='\t'),
                          key=lambda row: (row['verdict'] != 'valid', int(row['bytes']))):
            try:
                dataset = pydicom.dcmread(corpus + row['path'], stop_before_pixels=True)
                syntax, uid = str(dataset.file_meta.TransferSyntaxUID), str(dataset.SOPInstanceUID)
            except Exception: continue
            images = chosen[syntax]
            if 'SOPClassUID' in dataset and not images:
                images.append((corpus + row['path'], uid, str(dataset.SOPClassUID)))
        def elements(dataset, prefix=''):
            """Without group lengths and padding, which senders leave out; pixels with the \#
        lower byte first."""
            result = {}
            for element in dataset:
                if element.tag.element == 0 or element.tag == 0xFFFCFFFC: continue
                if element.VR == 'SQ':
                    for number, part in enumerate(element.value):
                        result |= elements(part, f'{prefix}{element.tag}[{number}]')
                elif isinstance(element.value, bytes) and not dataset.is_little_endian and \#
        element.VR == 'OW':
                    swapped = bytearray(element.value)
                    swapped[::2], swapped[1::2] = element.value[1::2], element.value[::2]
                    result[prefix + str(element.tag)] = bytes(swapped)
                else: result[prefix + str(element.tag)] = element.value
            return result
        def of(sender, uid):
            """What is there of this sender now: in the views, and on both volumes."""
            return [path for path in versions(uid) if header(both(path))[1].get(0x16) == sender]
        def same(path, sender, uid, keeps):
            """Some files of the corpus are the same image in several transfer syntaxes."""
            sent, found = pydicom.dcmread(path), [pydicom.dcmread(path) for path in of(sender, uid)]
            assert any(elements(sent) == elements(received) and (
                not keeps or sent.file_meta.TransferSyntaxUID == \#
        received.file_meta.TransferSyntaxUID
            ) for received in found), (sender, path, len(found))
        for syntax, images in chosen.items():
            for path, uid, sop in images:
                data = open(path, 'rb').read()
                start = header(data)[0]
                if syntax in unknown:
                    assert subprocess.run(['dcmsend', '127.0.0.1', port, path], \#
        capture_output=True).returncode
                    try: Association(sop, [syntax])
                    except Refused as refused: assert refused.args == ('context', 4), (syntax, \#
        refused)
                    else: assert False, syntax
                    continue
                if syntax in options:
                    subprocess.run(['storescu', '-R', options[syntax], '-aet', 'STORESCU', \#
        '127.0.0.1', port, path], check=True)
                    same(path, 'STORESCU', uid, True)
                # It prefers explicit VR little endian to the other uncompressed ones.
                subprocess.run(['dcmsend', '-dn', '-aet', 'DCMSEND', '127.0.0.1', port, path], \#
        check=True, stderr=subprocess.DEVNULL)
                same(path, 'DCMSEND', uid, syntax.startswith('1.2.840.10008.1.2.4') or syntax \#
        == '1.2.840.10008.1.2.5')
                association = Association(sop, [syntax])
                assert association.store(uid, data[start:]) == 0, path
                received = [(both(path), *header(both(path))) for path in of('RAW', uid)]
                assert [meta[3] for file, place, meta in received if file[place:] == \#
        data[start:] and meta[0x10] == syntax] == [uid], path
                association.release()
        print(*sorted(chosen), sep='\n')
        """#

    @Test(
        """
        Every transfer syntax comes as it was sent, is in the views and on both volumes when the \
        sender is told
        """,
        .enabled(if: Corpus.shared != nil, Corpus.isAbsent))
    func transferSyntaxes() throws {
        let corpus = try #require(Corpus.shared)
        try MountedArchive.with(Setting.unprivileged) { archive in
            try Files.write(Array(Self.senders.utf8), to: archive.work + "/senders.py")
            try archive.handOver()
            let run = try archive.receiving(
                "/usr/bin/python3 senders.py", ["CORPUS": corpus.root], timeout: 120)
            #expect(run.lines.count == 17, "\(run.report)")
            // What one sender wrote anew, another did as well: such files differ in their headers
            // only.
            let repeated = try archive.mustShell(
                "cat ../volume2/ledger/*/*.jsonl | grep -c '\"same\":'")
            #expect(Int(repeated.lines.first ?? "0") ?? 0 > 10, "\(repeated.report)")
            let log = try Files.text(archive.work + "/receive.log")
            #expect(
                log.contains("STORESCU at 127.0.0.1 sent 1 image, archived.")
                    && !log.contains("error:"), "\(log)")
        }
    }

    /// `sop` and `uid(N)` of `images`, `N.dcm` in the working directory.
    private static let images = #"""
        import subprocess, sys, time
        from scu import *
        from tools import *
        explicit = '1.2.840.10008.1.2.1'
        def image(number):
            data = open(f'{number}.dcm', 'rb').read()
            place, meta = header(data)
            return meta[2], meta[3], data[place:]
        def child():
            """The storescp of the association that is open."""
            return int(subprocess.run(['pgrep', '-P', os.environ['receive']], \#
        capture_output=True, check=True).stdout.split()[0])
        def eventually(condition, seconds=20):
            end = time.monotonic() + seconds
            while not condition():
                assert time.monotonic() < end, 'not in time'
                time.sleep(0.05)

        """#

    @Test(
        """
        What is interrupted is never shown, what is repeated is one image, and nothing stays \
        behind
        """
    )
    func interrupted() throws {
        try MountedArchive.with { archive in
            try archive.writeImages(5)
            let script =
                Self.images + #"""
                    def arriving(): return [name for _, _, names in os.walk(M + '/incoming') \#
                    for name in names]
                    # The sender goes in the middle; storescp is killed in the middle.
                    for number, ending in ((1, 'sender'), (2, 'storescp')):
                        sop, uid, data = image(number)
                        association = Association(sop, [explicit])
                        association.begin(uid)
                        association.data(data[:50_000], isLast=False, step=1000)
                        eventually(lambda: any(name.endswith('.part') for name in arriving()))
                        if ending == 'sender': association.socket.close()
                        else:
                            os.kill(child(), 9)
                            # A-ABORT
                            assert association.unit()[0] == 7
                        eventually(lambda: arriving() == [])
                        assert versions(uid) == [] and os.listdir(M + '/rejected') == []
                    # Two associations send the same image at once, and each twice.
                    sop, uid, data = image(3)
                    pair = [Association(sop, [explicit]) for _ in range(2)]
                    for _ in range(2):
                        for association in pair: association.begin(uid)
                        for association in pair: association.data(data)
                        assert [association.status() for association in pair] == [0, 0]
                    assert len(versions(uid)) == 1 and both(versions(uid)[0]).endswith(data)
                    pair[0].release()
                    # One stays open for longer than names stay in incoming.
                    eventually(lambda: arriving() == [])
                    sop, uid, data = image(4)
                    assert pair[1].store(uid, data) == 0 and both(versions(uid)[0]).endswith(data)
                    # Private SOP classes, names that are no file names, more than one unit can \#
                    hold.
                    sop, uid, data = image(5)
                    odd = Association('1.2.3.4.5.6.7', ['1.2.840.10008.1.2', explicit], \#
                    calling='../A:B/ $(x)', longest=4096)
                    assert odd.syntax == '1.2.840.10008.1.2'
                    odd = Association('1.2.3.4.5.6.7', [explicit, '1.2.840.10008.1.2'], \#
                    calling='../A:B/ $(x)')
                    assert odd.syntax == explicit and odd.store(uid, data) == 0
                    assert both(versions(uid)[0]).endswith(data)
                    # What is no image is set aside, and the sender does not take it for stored.
                    junk = Association(sop, [explicit])
                    assert junk.store('1.2.3.4', bytes(3000)) == 0xC000
                    junk.release()
                    eventually(lambda: os.listdir(M + '/rejected'))
                    # Nobody is asked for a list or sent a query.
                    try: Association('1.2.840.10008.5.1.4.1.2.2.1', [explicit]); assert False
                    except Refused as refused: assert refused.args == ('context', 3), refused
                    # No DICOM at all, and nothing at all.
                    for words in (b'GET / HTTP/1.1\r\n\r\n', b'\1\0\xff\xff\xff\xff', b''):
                        other = socket.create_connection(('127.0.0.1', \#
                    int(os.environ['port'])), timeout=30)
                        other.sendall(words)
                        other.shutdown(socket.SHUT_WR)
                        assert other.recv(10) == b''
                    subprocess.run(['echoscu', '127.0.0.1', os.environ['port']], check=True)
                    """#
            try Files.write(Array(script.utf8), to: archive.work + "/test.py")
            try archive.receiving(
                """
                python3 test.py
                kill $receive; wait $receive
                grep -q "RAW at 127.0.0.1 sent 3 images, archived" receive.log
                grep -q "storescp was ended by signal 9" receive.log
                grep -q "has stopped receiving" receive.log
                """)
            try archive.settled()
            // Where it came from stays known.
            try archive.mustShell(
                """
                for image in "$M"/by-uid/*/*/*.dcm; do "$PACSFS" show --json "$image"; done >shown
                test $(grep -c '"source" : "incoming/receive PACS/RAW 127.0.0.1 ' shown) = 2
                grep -q '"source" : "incoming/receive PACS/.._A_B_ $(x) 127.0.0.1 ' shown
                """)
        }
    }
}
