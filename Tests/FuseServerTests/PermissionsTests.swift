import Archive
import Glibc
import TemporaryArchive
import Testing

@testable import FuseServer

@Suite("Permissions")
struct PermissionsTests {
    private func shown(_ permissions: Permissions, _ subject: Permissions.Subject) -> stat {
        var status = stat()
        permissions.apply(subject, to: &status)
        return status
    }

    private func mode(_ permissions: Permissions, _ subject: Permissions.Subject) -> mode_t {
        shown(permissions, subject).st_mode & 0o7777
    }

    @Test("Without groups everybody sees everything and may add")
    func everybody() {
        let all = Permissions.everybody
        #expect(mode(all, .root) == 0o555 && mode(all, .view) == 0o555)
        #expect(
            mode(all, .image) == 0o444 && mode(all, .readme) == 0o444
                && mode(all, .rejectedFile) == 0o444)
        #expect(
            mode(all, .incoming) == 0o1777 && mode(all, .search) == 0o777
                && mode(all, .rejectedDirectory) == 0o777)
        #expect(shown(all, .image).st_uid == geteuid() && shown(all, .image).st_gid == getegid())
    }

    @Test("With readers others may only pass to incoming; with writers only these get in there")
    func groups() {
        let both = Permissions(readers: 71, writers: 72)
        #expect(mode(both, .root) == 0o551)
        #expect(
            mode(both, .view) == 0o550 && mode(both, .image) == 0o440
                && mode(both, .readme) == 0o440)
        #expect(mode(both, .search) == 0o770)
        #expect(mode(both, .incoming) == 0o3770)
        #expect(mode(both, .rejectedDirectory) == 0o770 && mode(both, .rejectedFile) == 0o440)
        for subject: Permissions.Subject in [.root, .view, .image, .readme, .search] {
            #expect(shown(both, subject).st_gid == 71)
        }
        for subject: Permissions.Subject in [.incoming, .rejectedDirectory, .rejectedFile] {
            #expect(shown(both, subject).st_gid == 72)
        }
        // What was rejected is as private as what was not.
        let readersOnly = Permissions(readers: 71, writers: nil)
        #expect(mode(readersOnly, .incoming) == 0o1777)
        #expect(
            mode(readersOnly, .rejectedFile) == 0o440
                && shown(readersOnly, .rejectedFile).st_gid == 71)
        let writersOnly = Permissions(readers: nil, writers: 72)
        #expect(mode(writersOnly, .root) == 0o555 && mode(writersOnly, .image) == 0o444)
        #expect(mode(writersOnly, .incoming) == 0o3770)
        // Who may add images keeps searches; where modes cannot say so, requests are refused.
        #expect(mode(writersOnly, .search) == 0o775 && shown(writersOnly, .search).st_gid == 72)
        #expect(both.keepersAmongReaders == 72 && writersOnly.keepersAmongReaders == nil)
        #expect(
            readersOnly.keepersAmongReaders == nil
                && Permissions(readers: 7, writers: 7).keepersAmongReaders == nil)
    }

    @Test(
        """
        What is made in a directory with the group's bit is the group's, and a directory passes \
        it on
        """
    )
    func inheritedGroup() throws {
        let fixture = try TreeFixture(permissions: Permissions(readers: nil, writers: 72))
        let made = try fixture.tree.makeDirectory(
            Array("cd".utf8), in: fixture.root, mode: 0o755,
            caller: FileOwner(uid: 71_001, gid: 71_002))
        #expect(made.attr.st_uid == 71_001 && made.attr.st_gid == 72)
        #expect(made.attr.st_mode == S_IFDIR | S_ISGID | 0o755)
        let file = try fixture.tree.create(
            Array("a".utf8), in: made.ino, flags: O_WRONLY, mode: 0o640,
            caller: FileOwner(uid: 71_001, gid: 71_002))
        defer { fixture.tree.release(file.1) }
        #expect(file.0.attr.st_uid == 71_001 && file.0.attr.st_gid == 72)
        #expect(file.0.attr.st_mode == S_IFREG | 0o640)
    }

    @Test("A group that this system does not know is refused, naming the file and what to do")
    func unknownGroup() throws {
        var settings = Settings()
        settings.readers = .name("no-such-group-71")
        let error = try #require(throws: ArchiveError.self) {
            _ = try Permissions(settings, file: "/srv/pacs/pacsfs.toml")
        }
        #expect(error.description.hasPrefix("/srv/pacs/pacsfs.toml: \"readers\""))
        #expect(error.description.contains("groupadd --system no-such-group-71"))
        settings.readers = .name("root")
        // Without writers, those who may read may add.
        #expect(try Permissions(settings, file: "").writers == 0)
        settings.writers = .number(4711)
        let known = try Permissions(settings, file: "")
        #expect(known.readers == 0 && known.writers == 4711)
    }
}
