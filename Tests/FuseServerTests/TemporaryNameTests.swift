import Archive
import Testing

@Suite("Temporary names")
struct TemporaryNameTests {
    @Test(
        "Names under which programs write before they rename",
        arguments: [
            ".IM1.dcm.Ab3dE6", ".x.123456", "..hidden.abcdef", "IM1.dcm.part", "IM1.PART", "x.tmp", "X.TMP",
            "video.partial", "IM1.dcm.filepart", ".~lock.IM1.dcm#", ".~tmp~", "~$letter.docx", ".part",
        ])
    func temporary(name: String) {
        #expect(TemporaryName.matches(Array(name.utf8)))
    }

    @Test(
        "Names that are meant to stay",
        arguments: [
            "IM1.dcm", "IM1", ".IM1.dcm", ".IM1.12345", ".IM1.1234567", ".abcdef", "IM1.Ab3dE6", "part", "tmp",
            "IM1.dcm~", "partial.dcm", "a.part.dcm", "~IM1", "1.2.840.10008", ".", "..", "",
        ])
    func plain(name: String) {
        #expect(!TemporaryName.matches(Array(name.utf8)))
    }

    @Test("Names that are no UTF-8 are looked at all the same")
    func bytes() {
        #expect(TemporaryName.matches([0x4D, 0xFC] + Array(".part".utf8)))
        #expect(!TemporaryName.matches([0x4D, 0xFC, 0xFF]))
        #expect(TemporaryName.matches(Array(".M".utf8) + [0xFC] + Array(".Ab3dE6".utf8)))
    }
}
