import Naming
import Testing

@Suite("Names on a disk that ignores case")
struct CaseFoldingTests {
    @Test(
        "What is one name there has one key",
        arguments: [
            ["Rex", "REX", "rex"], ["Müller", "MÜLLER", "mu\u{308}ller"],
            ["straße", "STRASSE", "STRAẞE"],
            ["ΣΊΣΥΦΟΣ", "σίσυφος", "σίσυφοσ"], ["ﬁn", "FIN", "fin"], ["Kelvin", "\u{212A}elvin"],
            ["Åsa", "\u{212B}sa", "A\u{30A}sa"], ["İx", "I\u{307}x", "i\u{307}x"], ["Ǆ", "ǅ", "ǆ"],
            ["ЖУК", "жук"], ["ᾳ", "ΑΙ", "αι", "ᾼ"], ["ſ", "S"], ["µ", "μ", "Μ"],
        ])
    func same(names: [String]) {
        #expect(Set(names.map { Array(PortableName.folded($0).unicodeScalars) }).count == 1)
    }

    @Test(
        "What are two names there have two keys",
        arguments: [
            ("Isik", "Işık"), ("ı", "i"), ("İ", "i"), ("é", "e"), ("０", "0"), ("Rex 1", "Rex1"),
            ("²", "2"),
        ])
    func different(one: String, two: String) {
        #expect(PortableName.folded(one) != PortableName.folded(two))
    }

    @Test("A key is its own key, in any case", arguments: UInt64(1)...4)
    func idempotent(seed: UInt64) {
        var generator = HostileText(seed: seed)
        for _ in 0..<300 {
            let name = PortableName.component(generator.text())
            let key = PortableName.folded(name)
            #expect(Array(PortableName.folded(key).utf8) == Array(key.utf8))
            #expect(PortableName.folded(name.lowercased()) == key || name.contains("ı") == true)
        }
    }
}
