@testable import Archive
import Testing

@Suite("Changing pacsfs.toml")
struct ConfigurationFileTests {
    private let text = """
        # Mine.
        copies = 2   # as agreed

        [[volume]] # the left disk
        path = "/mnt/a"
        domain = "office"
        # A remark about views.

        [[volume]]
          path = '/mnt/b'

        [views]
        by-id = "{PatientID}/{Series}"

        """

    @Test("A volume is added after the others, and everything else stays")
    func adds() throws {
        var file = ConfigurationFile(text)
        try file.addVolume(.init(path: "/mnt/c \"x\"", domain: "cellar"))
        let settings = try Settings(toml: file.text)
        #expect(settings.volumes.map(\.path) == ["/mnt/a", "/mnt/b", "/mnt/c \"x\""])
        #expect(settings.volumes[2].domain == "cellar")
        #expect(settings.views.count == 1)
        for line in text.split(separator: "\n") { #expect(file.text.contains(line)) }
    }

    @Test("Commands and addresses that are called are left out whole, however they are written")
    func withoutCommands() throws {
        let file = ConfigurationFile(
            #"""
            alert_command = '''
            curl --user it:secret smtp://mail \
              --upload-file -
            '''
            copies = 3
            "ping_url" = "https://secret.example"
              alert_command="secret"
            alert_command = """secret"""
            settle = 7
            alert_command = """
            echo secret """
            [[volume]]
            path = "/mnt/a"
            [views]
            by-id = "{PatientID}/{Series}"
            """#)
        let text = file.withoutCommands
        #expect(!text.contains("secret") && !text.contains("upload"), "\(text)")
        let settings = try Settings(toml: text)
        #expect(settings.copies == 3 && settings.settle == 7 && settings.views.count == 1)
    }

    @Test("A volume is taken out, and all else stays", arguments: ["/mnt/a", "/mnt/b"])
    func removes(path: String) throws {
        var file = ConfigurationFile(text)
        try file.removeVolume(at: path)
        let settings = try Settings(toml: file.text)
        #expect(settings.volumes.map(\.path) == [path == "/mnt/a" ? "/mnt/b" : "/mnt/a"])
        #expect(settings.views.count == 1)
        #expect(file.text.contains("# A remark about views."))
        #expect(throws: ArchiveError.self) { try file.removeVolume(at: path) }
    }
}
