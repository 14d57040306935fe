import Foundation
import Offsite
import OffsiteSupport
import Storage
import SyntheticStudy
import System
import TagIndex
import TemporaryArchive
import TestSupport
import Testing

@testable import Archive

/// What lies off-site after a push, made piece by piece: a pack that the ledger knows, single
/// blobs, a pack whose record did not get away any more, a rejected file, the ledger in pieces.
struct PushedArchive {
    let temporary: TemporaryArchive
    let secrets: RemoteSecrets
    let images: [[UInt8]]
    /// Names of the objects.
    private(set) var packs: [String] = []

    var folder: String { temporary.folder.path("remote/images") }

    /// - Parameter location: Where; a folder when it is left out.
    init(keys: CryptKeys?, location: RemoteLocation? = nil) throws {
        temporary = try TemporaryArchive()
        images = series(seed: 1) + series(seed: 2, images: 2) + series(seed: 3)
        secrets = RemoteSecrets(
            name: "nas", id: VolumeIdentity.randomIdentifier(),
            location: location
                ?? RemoteLocation(folder: temporary.folder.path("remote/images")), keys: keys)
        try FileManager.default.createDirectory(
            atPath: temporary.folder.path("remote"), withIntermediateDirectories: false)
        try temporary.archive(images)
        let letter = try temporary.folder.write(Array("a letter".utf8), to: "cd/letter.txt")
        try temporary.open { archive in
            _ = archive.importFiles([ImportFile(path: letter, rejectedPath: "cd/letter.txt")])
            try push(archive)
        }
    }

    private mutating func push(_ archive: Archive) throws {
        let access = try RemoteAccess(secrets.configuration(), Rclone())
        _ = try access.claim(for: archive.id, at: .now())
        try archive.catalogue.record([
            .remote(
                .add(
                    secrets.name, id: secrets.id, cipher: secrets.keys == nil ? nil : .rclone,
                    hash: nil))
        ])
        let known = try putPack(Array(images[..<3]), access)
        var event = OffsiteEvent(known.name, bytes: known.bytes, on: secrets.name)
        event.packed = known.places.map { .init(digest: $0.digest, offset: $0.offset) }
        try archive.catalogue.record([.offsite(event)])
        for image in images[3..<5] {
            try access.put(image, to: OffsiteLayout.blob(Digest.of(image)), hash: nil)
        }
        let unlisted = try putPack(Array(images[5...]), access)
        packs = [known.name, unlisted.name]
        let site = Ledger.site(archive: archive.id)
        let volume = try #require(archive.volumes.online.first)
        var chain = try LedgerChain(volume: volume, site: site)
        var number: Int64 = 0
        while let record = try chain.next() { number = record.number }
        var toml = try Files.text(archive.path + "/pacsfs.toml")
        toml = toml.replacing("settle = 10", with: "settle = 17")
        try access.put(
            Array(toml.utf8),
            to: OffsiteLayout.configuration(.now(), Digest.of(Array(toml.utf8))), hash: nil)
        let letter = Array("a letter".utf8)
        try access.put(letter, to: OffsiteLayout.rejected(Digest.of(letter)), hash: nil)
        let lines = try contents(of: "\(volume.path)/ledger/\(site)/000001.jsonl")
            .split(separator: 10).map { Array($0) + [10] }
        #expect(lines.count == Int(number))
        for part in [1...4, 5...number] {
            try access.put(
                Array(lines[Int(part.lowerBound - 1)..<Int(part.upperBound)].joined()),
                to: OffsiteLayout.tail(part, site: site), hash: nil)
        }
    }

    private func putPack(_ images: [[UInt8]], _ access: RemoteAccess) throws -> Pack {
        let blobs = Dictionary(uniqueKeysWithValues: images.map { (Digest.of($0), $0) })
        let members = blobs.map { PackWriter.Member(digest: $0, bytes: Int64($1.count)) }
            .sorted { $0.digest < $1.digest }
        let path = temporary.folder.path("pack")
        let output = try Descriptor(opening: path, O_RDWR | O_CREAT | O_TRUNC, mode: 0o600)
        var writer = try PackWriter(to: output.number, path: path, members: members)
        while let member = writer.expected {
            let file = try temporary.folder.write(blobs[member.digest] ?? [], to: "blob")
            let input = try Descriptor(opening: file, O_RDONLY)
            try writer.append(from: input.number, path: file)
        }
        let pack = try writer.finish()
        try access.put(contents(of: path), to: pack.name, hash: nil)
        return pack
    }

    /// Everything on this machine goes.
    func burn() throws {
        for gone in temporary.volumes + [temporary.path] {
            try FileManager.default.removeItem(atPath: gone)
        }
    }
}

@Suite("Restoring from a remote, with rclone as Debian has it") struct RemoteRestoreTests {
    private static let keys = CryptKeys(
        password: "abcd-efgh-ijkl-mnop-qrst-uvwx-yz23-4567",
        salt: "7654-32zy-xwvu-tsrq-ponm-lkji-hgfe-dcba")

    private func request(_ pushed: PushedArchive, _ origin: RestoreOrigin) -> RestoreRequest {
        RestoreRequest(
            archive: pushed.temporary.folder.path("again"), from: origin,
            volumes: ["new1", "new2"].map { pushed.temporary.folder.path($0) }, copies: 2)
    }

    private func restore(_ request: RestoreRequest, _ log: LogLines) throws -> RestoreReport {
        try Archive.beginRestore(request, log: log.logger) { _ in }
        let archive = try Archive(at: request.archive, log: log.logger)
        defer { archive.close() }
        return try archive.restore { _ in }
    }

    private func expectWhole(_ request: RestoreRequest, _ pushed: PushedArchive) throws {
        for volume in request.volumes {
            for image in pushed.images {
                #expect(try contents(of: blobPath(Digest.of(image).hex, on: volume)) == image)
            }
            let rejected = try files(below: volume + "/rejected")
            #expect(rejected.count == 2 && rejected.allSatisfy { $0.contains("cd/letter.txt") })
            #expect(try files(below: volume + "/staging").isEmpty)
        }
        let verification = try Verification(
            archive: request.archive, volumes: [], head: nil, options: .init(threads: 2),
            progress: { _ in })
        let report = try #require(try verification.run())
        #expect(report.faults == 0 && report.attentions == 0, "\(report.findings)")
    }

    @Test(
        "With what was typed of the sheet everything is back", arguments: [false, true],
        RemoteKind.withoutS3)
    func whole(isEncrypted: Bool, kind: RemoteKind) throws {
        let remote = try TestRemote(kind)
        let pushed = try PushedArchive(
            keys: isEncrypted ? Self.keys : nil, location: remote.location)
        let sheet = pushed.secrets.sheetLines(from: 1).map(\.text).joined(separator: "\n")
        try pushed.burn()
        let secrets = try TypedSheet("Some words\n\n\(sheet)\nmore words").remotes
        #expect(secrets == [pushed.secrets])
        let request = request(pushed, .remote(secrets[0]))
        let report = try restore(request, pushed.temporary.log)
        #expect(report.restored == 8 && report.lacking == 0 && report.rejected == 1)
        try expectWhole(request, pushed)
        // The keys are there for the next push, and for nobody else to read.
        var kept = try RemoteSecrets("nas", of: request.archive)
        #expect(kept.sheet != nil)
        kept.sheet = nil
        #expect(kept == pushed.secrets)
        let settings = try Settings(file: ArchivePaths(request.archive).configuration)
        #expect(settings.settle == 17 && settings.volumes.map(\.path) == request.volumes)
        let again = try restore(request, pushed.temporary.log)
        #expect(again.restored == 0 && again.isComplete)
    }

    @Test("A remote that was typed without the sheet gets the name that the ledger has")
    func withoutSheet() throws {
        let pushed = try PushedArchive(keys: nil)
        try pushed.burn()
        let typed = RemoteSecrets(
            name: "source", id: VolumeIdentity.randomIdentifier(),
            location: pushed.secrets.location, keys: nil)
        let request = request(pushed, .remote(typed))
        #expect(try restore(request, pushed.temporary.log).restored == 8)
        var kept = try RemoteSecrets("nas", of: request.archive)
        kept.sheet = nil
        #expect(kept == pushed.secrets)
        #expect(try files(below: request.archive + "/offsite") == ["nas.json"])
        try expectWhole(request, pushed)
    }

    @Test("Wrong keys are told from a remote that is empty, and nothing is made")
    func wrongKeys() throws {
        let pushed = try PushedArchive(keys: Self.keys)
        try pushed.burn()
        func code(_ secrets: RemoteSecrets) -> String {
            let request = request(pushed, .remote(secrets))
            do {
                try Archive.beginRestore(request, log: pushed.temporary.log.logger) { _ in }
                return "none"
            } catch {
                for path in request.volumes + [request.archive] { #expect(!Files.exists(path)) }
                return "\(error)"
            }
        }
        var secrets = pushed.secrets
        secrets.keys = CryptKeys(password: "other", salt: "keys")
        #expect(code(secrets).contains("these keys show nothing of it"))
        secrets = pushed.secrets
        secrets.location.path += "/other"
        #expect(code(secrets).contains("it is empty"))
        secrets.location.path = "/nowhere/at/all"
        #expect(code(secrets) != "none")
    }

    @Test("A fetched folder of packs does as well, and what is damaged there is named")
    func fetchedFolder() throws {
        let pushed = try PushedArchive(keys: nil)
        try pushed.burn()
        let request = request(pushed, .folder(pushed.folder))
        // A bit in the last blob of a pack, another pack cut off in front of its last blob.
        let place = pushed.folder + "/" + pushed.packs[0]
        let original = try contents(of: place)
        var bytes = original
        bytes[bytes.count - 2000] ^= 1
        chmod(place, 0o644)
        try Files.write(bytes, to: place)
        let report = try restore(request, pushed.temporary.log)
        #expect(report.restored == 7 && report.lacking == 1, "\(report)")
        #expect(report.examples.first?.contains("damaged") == true, "\(report.examples)")
        try Files.write(original, to: place)
        let second = try restore(request, pushed.temporary.log)
        #expect(second.restored == 1 && second.lacking == 0)
        try expectWhole(request, pushed)
    }

    @Test(
        "What was deleted or overwritten on a server that keeps versions comes as it was written",
        .enabled(if: PythonPrograms.weed != nil, PythonPrograms.areAbsent),
        arguments: [false, true])
    func versions(isEncrypted: Bool) throws {
        let remote = try TestRemote(.s3, isLocked: true)
        let pushed = try PushedArchive(
            keys: isEncrypted ? Self.keys : nil, location: remote.location)
        let uid = try pushed.temporary.open { archive in
            try archive.index.read { try $0.details(4)?.attributes[.studyInstanceUID] }
        }
        try pushed.burn()
        // Versions are told apart by whole seconds.
        usleep(1_100_000)
        let access = try RemoteAccess(pushed.secrets.configuration(), Rclone())
        let listed = String(
            decoding: try access.rclone(["lsf", "-R", "--files-only", access.base()]),
            as: UTF8.self)
        // Everything is deleted or overwritten, in turn, and there is a letter from those who did.
        for (number, name) in listed.split(separator: "\n").enumerated() {
            if number % 2 == 0 {
                _ = try access.rclone(["deletefile", access.base(String(name))])
            } else {
                _ = try access.rclone(
                    ["rcat", access.base(String(name))], input: Array("pay \(number)".utf8))
            }
        }
        _ = try access.rclone(["rcat", access.base("ledger/pay.txt")], input: Array("pay".utf8))

        let request = request(pushed, .remote(pushed.secrets))
        let report = try restore(request, pushed.temporary.log)
        // The last pack is in no record that got away: nobody can know that it was there.
        #expect(report.restored == 5 && report.olderVersions == 5, "\(report)")
        #expect(report.lacking == 3 && report.rejected == 1, "\(report)")
        for image in pushed.images[..<5] {
            let path = blobPath(Digest.of(image).hex, on: request.volumes[0])
            #expect(try contents(of: path) == image)
        }
        let settings = try Settings(file: ArchivePaths(request.archive).configuration)
        #expect(settings.settle == 17)
        let folder = pushed.temporary.folder.path("part")
        let part = try PartialRestore(
            from: .remote(pushed.secrets), folder: folder, selection: RestoreSelection(study: uid)
        ).run { _ in }
        #expect(part.restored == 2 && part.olderVersions == 2 && part.lacking == 0)
        let found = try Set(files(below: folder).map { try contents(of: "\(folder)/\($0)") })
        #expect(found == Set(pushed.images[3..<5]))
    }

    @Test("A command in a configuration that came from a remote is not run here")
    func foreignCommand() throws {
        let pushed = try PushedArchive(keys: nil)
        let toml =
            "alert_command = 'touch /tmp/owned'\n"
            + (try Files.text(pushed.temporary.path + "/pacsfs.toml"))
        let access = try RemoteAccess(pushed.secrets.configuration(), Rclone())
        let name = OffsiteLayout.configuration(
            Timestamp(nanoseconds: Timestamp.now().nanoseconds + 3_600_000_000_000),
            Digest.of(Array(toml.utf8)))
        try access.put(Array(toml.utf8), to: name, hash: nil)
        try pushed.burn()
        let request = request(pushed, .remote(pushed.secrets))
        #expect(try restore(request, pushed.temporary.log).lacking == 0)
        let text = try Files.text(ArchivePaths(request.archive).configuration)
        #expect(text.contains("alert_command is left out") && !text.contains("owned"))
    }

    @Test("A part comes from a remote too")
    func part() throws {
        let pushed = try PushedArchive(keys: Self.keys)
        let uid = try pushed.temporary.open { archive in
            try archive.index.read { try $0.details(4)?.attributes[.studyInstanceUID] }
        }
        try pushed.burn()
        let folder = pushed.temporary.folder.path("part")
        let report = try PartialRestore(
            from: .remote(pushed.secrets), folder: folder, selection: RestoreSelection(study: uid)
        ).run { _ in }
        #expect(report.restored == 2 && report.lacking == 0)
        let found = try Set(files(below: folder).map { try contents(of: "\(folder)/\($0)") })
        #expect(found == Set(pushed.images[3..<5]))
    }

    @Test(
        "Room is looked at before the first image, and with room the same call goes on",
        .enabled(if: SmallDisk.isPossible, "only root can mount a small disk"))
    func room() throws {
        let pushed = try PushedArchive(keys: nil)
        try pushed.burn()
        let place = pushed.temporary.folder.path("disk")
        mkdir(place, 0o755)
        // A volume keeps 8 MiB of it for the ledger.
        let disk = try SmallDisk(at: place, bytes: 12 << 20)
        defer { disk.unplug() }
        var request = request(pushed, .remote(pushed.secrets))
        request.volumes = [place + "/1", place + "/2"]
        try Archive.beginRestore(request, log: pushed.temporary.log.logger) { _ in }
        try Files.write([UInt8](repeating: 1, count: 4 << 20), to: place + "/other")
        let error = #expect(throws: ArchiveError.self) {
            try restore(request, pushed.temporary.log)
        }
        #expect(error?.code == .noSpace && error?.message.contains("enough room") == true)
        #expect(try files(below: place + "/1/blobs").isEmpty)
        unlink(place + "/other")
        #expect(try restore(request, pushed.temporary.log).restored == 8)
        // Volumes on one disk share its room, and a plain folder is looked at, too.
        try RestoreRoom.require(1 << 19, in: place)
        #expect(throws: ArchiveError.self) { try RestoreRoom.require(1 << 30, in: place) }
    }

    @Test("While the ledger comes, it is said how far it is") func progress() throws {
        let pushed = try PushedArchive(keys: nil)
        try pushed.burn()
        let said = Lock<[RestorePreparation]>([])
        try Archive.beginRestore(
            request(pushed, .remote(pushed.secrets)), log: pushed.temporary.log.logger
        ) { step in said.withLock { $0.append(step) } }
        let ledger = said.withLock { $0 }.compactMap { step -> Int64? in
            if case .ledger(let bytes, _) = step { bytes } else { nil }
        }
        #expect((ledger.last ?? 0) > 1000, "\(ledger)")
    }

    @Test("Each line of the sheet that is mistyped is named")
    func mistyped() throws {
        let options = [
            "type": "sftp", "host": "nas", "user": "Frau Müller", "empty": "",
            "key_pem": String(repeating: "0123456789 abc=", count: 20),
        ]
        let secrets = RemoteSecrets(
            name: "nas", id: VolumeIdentity.randomIdentifier(),
            location: RemoteLocation(options: options, path: "my images/x"), keys: Self.keys)
        let lines = secrets.sheetLines(from: 1).map(\.text)
        #expect(lines.allSatisfy { $0.count <= 78 && $0.allSatisfy(\.isASCII) }, "\(lines)")
        #expect(try TypedSheet(lines.joined(separator: "\n")).remotes == [secrets])
        for number in 1...lines.count {
            for change in 0..<4 {
                var typed = lines
                var words = typed[number - 1].split(separator: " ").map(String.init)
                switch change {
                case 0: words[2] += "x"
                case 1: words[2] = String(words[2].dropLast())
                case 2: words[3] = String(words[3].reversed())
                default: words.remove(at: 3)
                }
                if words.count == 4, words[2].isEmpty { continue }
                typed[number - 1] = words.joined(separator: " ")
                if typed[number - 1] == lines[number - 1] { continue }
                let error = #expect(throws: ArchiveError.self) {
                    try TypedSheet(typed.joined(separator: "\n"))
                }
                #expect(error?.message.contains("line \(number) is mistyped") == true)
            }
            var typed = lines
            typed.remove(at: number - 1)
            #expect(throws: ArchiveError.self) { try TypedSheet(typed.joined(separator: "\n")) }
        }
        #expect(throws: ArchiveError.self) { try TypedSheet("nothing") }
    }
}

@Suite("The recovery sheet") struct RecoverySheetTests {
    private static let remotes = [
        RemoteSecrets(
            name: "b2", id: "0b9e7a44-51c2-4f8e-8b1a-6d2c9e4f7a10",
            location: RemoteLocation(
                options: [
                    "type": "sftp", "host": "nas.example.org", "user": "praxis",
                    "pass": "3nOs-c0", "key_pem": String(repeating: "MIIEpAIBAAKCAQEA", count: 20),
                ], path: "images & <more>"),
            keys: CryptKeys(password: "abcd-efgh", salt: "ijkl-mnop")),
        RemoteSecrets(
            name: "nas", id: "1b9e7a44-51c2-4f8e-8b1a-6d2c9e4f7a10",
            location: RemoteLocation(folder: "/mnt/nas/images"), keys: nil),
    ]

    private static let sheet = RecoverySheet(
        RecoverySheet.Facts(
            archive: "/var/lib/the pacs", id: "6f1d9c1e-8a50-4c7e-9d55-2f6f0a1c3b7d",
            volumes: ["/mnt/disk1/pacsfs", "/mnt/disk2/pacsfs"], copies: 2,
            mountpoint: "/mnt/images", head: "\(Digest.zero.hex):1204", date: .now()), remotes)

    @Test("The text, as it was printed or saved, has everything that a restore needs")
    func text() throws {
        let text = Self.sheet.text
        #expect(try TypedSheet(text).remotes == Self.remotes)
        let long = text.split(separator: "\n").filter { $0.count > 78 && !$0.contains("rclone") }
        #expect(long.isEmpty, "\(long)")
        #expect(text.contains("--archive '/var/lib/the pacs'"))
        #expect(text.contains("pacsfs mount /mnt/images --archive"))
        #expect(text.contains("1204 records") && text.contains(Digest.zero.hex))
    }

    @Test("The page has the same, loads nothing, and nothing of it is taken for markup")
    func page() throws {
        let page = Self.sheet.page
        for word in ["http", "src=", "<script", "url(", "@import"] {
            #expect(!page.contains(word), "\(word)")
        }
        #expect(try TypedSheet(page).remotes == Self.remotes)
        #expect(!page.contains("<more>") && page.contains("&lt;more&gt;"))
    }
}
