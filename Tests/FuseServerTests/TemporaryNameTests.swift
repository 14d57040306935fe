import Archive
import Testing

@Suite("Temporary names")
struct TemporaryNameTests {
    @Test(
        "Names under which programs write before they rename",
        arguments: [
            ".IM1.dcm.Ab3dE6", ".x.123456", "..hidden.abcdef", "IM1.dcm.part", "IM1.PART", "x.tmp",
            "X.TMP",
            "video.partial", "IM1.dcm.filepart", ".~lock.IM1.dcm#", ".~tmp~", "~$letter.docx",
            ".part", "CD.zip.crdownload", "Unconfirmed 12345.crdownload", "x.opdownload",
            "x.zip.download", "x.fdmdownload", "IM1.dcm.ffs_tmp", "IM1.dcm.partial~",
            "IM1.dcm.!sync", "IM1.dcm.!Sync", "x.!ut", "x.!qB", "x.bc!", "x.iso.aria2",
            ".IM1.dcm.~6a3f", ".IM1.dcm.~1A2B3C4D", ".goutputstream-K3ZV81", ".in.IM1.dcm",
            "IM1.dcm.sb-1a2b3c4d-Ab3dE6",
        ])
    func temporary(name: String) {
        #expect(TemporaryName.matches(path: Array(name.utf8)))
    }

    @Test(
        "Names that are meant to stay",
        arguments: [
            "IM1.dcm", "IM1", ".IM1.dcm", ".IM1.12345", ".IM1.1234567", ".abcdef", "IM1.Ab3dE6",
            "part", "tmp", "crdownload", "download.dcm", "sync", "IM1.dcm.~", "IM1.~6a3f",
            ".IM1.dcm.~hello world", ".IM1.~123456789", "IM1.sb-12", "IM1.sb-1a2b3c4d-Ab3dE67",
            "IM1.sb-xxxxxxxx-Ab3dE6", "goutputstream-1", "in.IM1.dcm", "1.2.3.aria2.dcm",
            "IM1.dcm~", "partial.dcm", "a.part.dcm", "~IM1", "1.2.840.10008", ".", "..", "",
        ])
    func plain(name: String) {
        #expect(!TemporaryName.matches(path: Array(name.utf8)))
    }

    @Test("Names that are not UTF-8 are examined too")
    func bytes() {
        #expect(TemporaryName.matches(path: [0x4D, 0xFC] + Array(".part".utf8)))
        #expect(!TemporaryName.matches(path: [0x4D, 0xFC, 0xFF]))
        #expect(TemporaryName.matches(path: Array(".M".utf8) + [0xFC] + Array(".Ab3dE6".utf8)))
    }

    @Test(
        "Files in the folder of rsync --delay-updates wait, and nothing else below it"
    )
    func delayedUpdates() {
        for path in [".~tmp~/1.dcm", "cd/DICOM/.~tmp~/IM1"] {
            #expect(TemporaryName.matches(path: Array(path.utf8)))
        }
        for path in ["cd/.~tmp/1.dcm", ".~tmp~/cd/1.dcm", "a.part/1.dcm"] {
            #expect(!TemporaryName.matches(path: Array(path.utf8)))
        }
    }
}
