import Naming
import Testing

@Suite("Portable names")
struct PortableNameTests {
    @Test(
        "What is portable stays as it is",
        arguments: [
            "Smith^Rex (1234)", "2024-03-05", "001 DX Hip VD", "Müller^Minka", "山田^太郎", "a.b.c",
            "-x",
            "CONSTANT", "COM10", "LPT", "com", "NULL.txt", "O'Brien & Söhne; 50% #1", "Łódź", "x~1",
        ])
    func keepsPortable(name: String) {
        #expect(PortableName.component(name) == name)
        #expect(portabilityFaults(name).isEmpty)
    }

    @Test(
        "What is not portable becomes so",
        arguments: [
            ("", "_"), (".", "_"), ("..", "_"), ("...", "_"), (" ", "_"), (" . ", "_"),
            ("/etc/passwd", "_etc_passwd"), ("../x", "_._x"), (".hidden", "_hidden"),
            ("a:b*c?d\"e<f>g|h\\i", "a_b_c_d_e_f_g_h_i"), ("  name. . ", "name"),
            ("a\u{0}b\tc\nd\u{7F}e\u{85}f", "a_b_c_d_e_f"), ("a\r\nb", "a__b"),
            ("a\u{202E}b\u{200B}c\u{FEFF}d\u{FE0F}", "a_b_c_d_"), ("a\u{2028}b", "a_b"),
            ("a\u{A0}b\u{3000}", "a b"), ("\u{FFFF}\u{E0001}", "__"), ("\u{378}", "_"),
            ("CON", "CON_"), ("con.txt", "con_.txt"), ("Aux .a.b", "Aux _.a.b"), ("COM¹", "COM¹_"),
            ("lpt0.dcm", "lpt0_.dcm"), ("CONIN$", "CONIN$_"), ("nul. ", "nul_"),
            ("conout$.x", "conout$_.x"),
            ("e\u{301}", "é"), ("\u{301}x", "_\u{301}x"), ("x\u{D4E}", "x\u{D4E}_"),
            ("A\u{30A}\u{212B}", "ÅÅ"), ("a\u{331}\u{F75}", "a\u{F71}\u{F74}\u{331}"),
        ])
    func makesPortable(text: String, name: String) {
        let component = PortableName.component(text)
        #expect(Array(component.unicodeScalars) == Array(name.unicodeScalars))
        #expect(portabilityFaults(component) == [])
    }

    @Test("Every ASCII character alone, first, last and in the middle makes a portable name")
    func ascii() {
        for value in UInt8(0)..<128 {
            let character = String(UnicodeScalar(value))
            for text in [character, character + "x", "x" + character, "x" + character + "y"] {
                #expect(
                    portabilityFaults(PortableName.component(text)) == [],
                    "\(text.debugDescription)")
            }
        }
    }

    @Test("Every scalar there is makes a portable name that does not change again")
    func everyScalar() {
        for value in UInt32(0x80)...0x10FFFF {
            guard let scalar = Unicode.Scalar(value) else { continue }
            // The planes without characters and the ideographs are sampled.
            if (0x3400..<0xD000).contains(value) || value > 0x1_F000, value % 61 != 0 { continue }
            let name = PortableName.component("\(scalar)")
            let around = PortableName.component("x\(scalar)y")
            if !portabilityFaults(name).isEmpty || PortableName.component(name) != name
                || !portabilityFaults(around).isEmpty
            {
                Issue.record("U+\(String(value, radix: 16)) gives '\(name)' and '\(around)'")
            }
        }
    }

    @Test("Hostile texts make portable names that do not change again", arguments: UInt64(1)...8)
    func hostile(seed: UInt64) {
        var generator = HostileText(seed: seed)
        for _ in 0..<400 {
            let text = generator.text()
            let name = PortableName.component(text)
            let faults = portabilityFaults(name)
            #expect(faults == [], "of \(text.debugDescription)")
            #expect(Array(PortableName.component(name).utf8) == Array(name.utf8))
            let tagged = PortableName.suffixed(name, with: "1f3a")
            #expect(portabilityFaults(tagged) == [])
            #expect(tagged.contains(" ~1f3a"))
            #expect(PortableName.component(tagged) == tagged)
        }
    }

    @Test("A long name is cut between characters and keeps its extension")
    func long() {
        let exact = String(repeating: "x", count: 255)
        #expect(PortableName.component(exact) == exact)

        let name = PortableName.component(exact + "y")
        #expect(name.utf8.count == 255)
        #expect(name.hasPrefix(String(repeating: "x", count: 245) + " ~"))

        let dog = PortableName.component(String(repeating: "👩‍⚕️🐕", count: 60))
        #expect(dog.utf8.count <= 255)
        #expect(!dog.contains("\u{FFFD}"))

        let marks = PortableName.component("a" + String(repeating: "\u{301}", count: 500))
        #expect(portabilityFaults(marks) == [])
        #expect(marks.utf8.count > 200)

        let file = PortableName.component(String(repeating: "é", count: 300) + ".dcm")
        #expect(file.hasSuffix(".dcm"))
        #expect(file.utf8.count <= 255)
    }

    @Test("Two long names that differ only at the end stay apart, and case still does not matter")
    func longNamesStayApart() {
        let stem = String(repeating: "Long ", count: 80)
        let one = PortableName.component(stem + "A")
        let two = PortableName.component(stem + "B")
        let lower = PortableName.component((stem + "A").lowercased())
        #expect(one != two)
        #expect(PortableName.folded(one) == PortableName.folded(lower))
    }

    @Test(
        "A tag goes before the extension and never makes a name too long",
        arguments: [
            ("001 CT Thorax", "1f3a", "001 CT Thorax ~1f3a"),
            ("00001.dcm", "1f3a", "00001 ~1f3a.dcm"),
            ("CT 1.5", "1f3a", "CT 1.5 ~1f3a"),
            ("Dr.Who", "1f3a", "Dr.Who ~1f3a"),
            ("unknown", "0", "unknown ~0"),
            ("", "1f3a", "_ ~1f3a"),
            ("x", "a/b.", "x ~a_b"),
        ])
    func suffixes(name: String, tag: String, tagged: String) {
        #expect(PortableName.suffixed(name, with: tag) == tagged)
    }

    @Test("A name of full length gives up the end of its stem for a tag")
    func suffixOfLongName() {
        let name = PortableName.suffixed(String(repeating: "x", count: 251) + ".dcm", with: "1f3a")
        #expect(name == String(repeating: "x", count: 245) + " ~1f3a.dcm")
        let again = PortableName.suffixed(name, with: String(repeating: "9", count: 300))
        #expect(portabilityFaults(again) == [])
    }
}
