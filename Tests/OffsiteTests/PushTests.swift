import Foundation
import Glibc
import OffsiteSupport
import Storage
import System
import TestSupport
import Testing

@testable import Offsite

/// What a push brings to a real server, and what a listing then proves.
@Suite("A push", .mayNotHang) struct PushTests {
    @Test(
        "Names are encrypted as rclone does it, however many there are",
        arguments: [1, 10, 11, 700])
    func names(count: Int) throws {
        let remote = try TestRemote(.folder)
        let access = try remote.access(keys: .generated())
        let objects = (0..<count).map { OffsiteLayout.pack(Digest.of(Array("\($0)".utf8))) }
        let names = try access.serverNames(of: objects)
        #expect(Set(names.keys) == Set(objects) && Set(names.values).count == count)
        let last = try #require(objects.last)
        #expect(try access.serverNames(of: [last])[last] == names[last])
    }

    @Test(
        "to each kind of remote is proven, found again, compared and read",
        arguments: RemoteKind.withoutS3, [false, true])
    func everyKind(kind: RemoteKind, isEncrypted: Bool) throws {
        try expectAll(kind, isEncrypted: isEncrypted)
    }

    @Test(
        "to S3 is proven, found again, compared and read",
        .enabled(if: PythonPrograms.weed != nil, PythonPrograms.areAbsent),
        arguments: [false, true])
    func s3(isEncrypted: Bool) throws { try expectAll(.s3, isEncrypted: isEncrypted) }

    @Test(
        "goes to OpenSSH", .enabled(if: OpenSSH.isInstalled, OpenSSH.isAbsent),
        arguments: [false, true])
    func openSSH(isEncrypted: Bool) throws { try expectAll(.sshd, isEncrypted: isEncrypted) }

    private func expectAll(_ kind: RemoteKind, isEncrypted: Bool) throws {
        let remote = try TestRemote(kind)
        let access = try remote.access(keys: isEncrypted ? .generated() : nil)
        let outgoing = try Outgoing.usual()
        let hash = try access.hashKind()
        #expect(hash == kind.hash)

        let report = try access.push(outgoing.objects, from: outgoing.root, hash: hash)
        #expect(report.problems.isEmpty, "\(report.problems.values)")
        #expect(Set(report.pins.keys) == Set(outgoing.objects.map(\.name)))
        #expect(report.sentBytes >= outgoing.objects.reduce(0) { $0 + $1.bytes })
        for (name, pin) in report.pins {
            #expect((pin.object == name) == !isEncrypted)
            #expect(pin.hash?.kind == kind.hash)
        }

        // The same again: nothing goes over, and reading it back proves the same.
        let again = try access.push(outgoing.objects, from: outgoing.root, hash: hash)
        #expect(again.pins == report.pins && again.problems.isEmpty && again.sentBytes == 0)

        try expectWhole(access, report.pins, hash)
        try expectReadable(access, outgoing)
        try expectFaults(access, outgoing, report.pins, hash)
    }

    /// The listing agrees with all pins, and has nothing besides.
    private func expectWhole(
        _ access: RemoteAccess, _ pins: [String: Pin], _ hash: HashKind?
    ) throws {
        var comparison = PinComparison(pins.values)
        let count = try access.list(hash: hash) { comparison.take($0) }
        let result = comparison.finish()
        #expect(count == pins.count && result.isGood && result.unknownCount == 0)
        #expect(result.good == [hash == nil ? .sizeOnly : .hash: pins.count])
    }

    /// One blob is a ranged read; a pack is read as it arrives.
    private func expectReadable(_ access: RemoteAccess, _ outgoing: Outgoing) throws {
        for place in [outgoing.places[5], outgoing.places.last!] {
            var bytes: [UInt8] = []
            try access.fetch(place) { bytes.append(contentsOf: $0) }
            #expect(Digest.of(bytes) == place.digest)
        }
        let pack = outgoing.places[0].object
        var content: [UInt8] = []
        try access.fetch(pack) { content.append(contentsOf: $0) }
        var rest = content[...]
        var reader = PackReader(name: pack) { (buffer) throws(Errno) in
            let piece = rest.prefix(buffer.count)
            buffer.copyBytes(from: piece)
            rest = rest.dropFirst(piece.count)
            return piece.count
        }
        var digests: [Digest] = []
        while case .blob(let place) = try reader.next() { digests.append(place.digest) }
        #expect(digests == outgoing.places.filter { $0.object == pack }.map(\.digest))

        let error = #expect(throws: OffsiteError.self) {
            try access.fetch("blobs/00/00/missing.dcm") { _ in }
        }
        #expect(error?.code == .notFound)
        let end = Int64(content.count)
        let short = #expect(throws: OffsiteError.self) {
            try access.fetch(pack, range: end - 10..<end + 10) { _ in }
        }
        #expect(short?.code == .notFound)
    }

    /// Somebody who has the server's keys deletes, cuts, changes and swaps objects.
    private func expectFaults(
        _ access: RemoteAccess, _ outgoing: Outgoing, _ pins: [String: Pin], _ hash: HashKind?
    ) throws {
        func content(_ object: String) throws -> [UInt8] {
            var bytes: [UInt8] = []
            try access.run(
                ["cat", access.base(object)], "", output: { bytes.append(contentsOf: $0) }
            )
            .check()
            return bytes
        }
        func write(_ bytes: [UInt8], _ object: String) throws {
            let path = try outgoing.folder.write(bytes, to: "forged")
            try access.run(["copyto", path, access.base(object), "--ignore-times"], "").check()
        }
        let (singles, packs) = (
            outgoing.objects.filter { $0.name.hasPrefix("blobs/") }.map(\.name),
            outgoing.objects.filter { $0.name.hasPrefix("packs/") }.map(\.name)
        )
        let object = pins.mapValues(\.object)
        // The two single blobs have the same size.
        let (one, other) = (
            try #require(object[singles[0]]), try #require(object[singles[1]])
        )
        let (first, second) = (try content(one), try content(other))
        try write(second, one)
        try write(first, other)
        let changed = try #require(object[packs[0]])
        var bytes = try content(changed)
        bytes[bytes.count / 2] ^= 1
        try write(bytes, changed)
        let cut = try #require(object[packs[1]])
        try write(Array(try content(cut).dropLast(100)), cut)
        let gone = try #require(object["ledger/site/000001.jsonl"])
        try access.run(["deletefile", access.base(gone)], "").check()
        try write([1, 2, 3], "stranger")

        var comparison = PinComparison(pins.values)
        try access.list(hash: hash) { comparison.take($0) }
        let result = comparison.finish()
        let faults = Dictionary(result.faults.map { ($0.pin.object, $0.fault) }) { $1 }
        var expected: [String: PinComparison.Fault] = [
            gone: .missing, cut: .truncated(pins[packs[1]]!.bytes - 100),
        ]
        if hash != nil {
            expected[changed] = .changed
            expected[one] = .swapped(with: other)
            expected[other] = .swapped(with: one)
        }
        #expect(faults == expected)
        #expect(result.unknown == ["stranger"])

        // Without a hash too, nobody gets other bytes than the archive had.
        for object in [singles[0], packs[0]] {
            for place in outgoing.places where place.object == object {
                var got: [UInt8] = []
                do {
                    try access.fetch(place) { got.append(contentsOf: $0) }
                    #expect(Digest.of(got) == place.digest)
                } catch {
                    #expect(error.code == .corrupt, "\(error)")
                    if object == singles[0] { continue }
                }
                #expect(object == packs[0], "a swapped object was not noticed")
            }
        }
        // Nor does another push take them for what they should be.
        let report = try access.push(outgoing.objects, from: outgoing.root, hash: hash)
        #expect(Set(report.problems.keys) == Set(singles + packs.prefix(2)))
        #expect(report.problems.values.allSatisfy { $0.code == .modified })
        #expect(report.pins["ledger/site/000001.jsonl"] != nil)
    }

    @Test(
        "with a current rclone does the same",
        .enabled(if: PythonPrograms.rclone != nil, PythonPrograms.areAbsent),
        arguments: [RemoteKind.folder, .webdav])
    func current(kind: RemoteKind) throws {
        let program = try #require(PythonPrograms.rclone)
        let rclone = Rclone(program: program)
        #expect(try rclone.version() >= .withObjectLock)
        let remote = try TestRemote(kind)
        let access = try remote.access(keys: .generated(), rclone)
        let outgoing = try Outgoing.usual()
        let hash = try access.hashKind()
        #expect(hash == kind.hash)
        let report = try access.push(outgoing.objects, from: outgoing.root, hash: hash)
        #expect(report.problems.isEmpty && report.pins.count == outgoing.objects.count)
        // Each version reads what the other has written.
        let old = try remote.access(keys: access.configuration.keys)
        let again = try old.push(outgoing.objects, from: outgoing.root, hash: hash)
        #expect(again.pins == report.pins && again.problems.isEmpty && again.sentBytes == 0)
        try expectWhole(access, report.pins, hash)
        try expectReadable(access, outgoing)
        try expectFaults(access, outgoing, report.pins, hash)
    }

    @Test("of nothing sends nothing, and a missing file or folder is a problem") func missing()
        throws
    {
        let remote = try TestRemote(.folder)
        let access = try remote.access()
        var outgoing = try Outgoing()
        try outgoing.add([1, 2, 3], as: "here")
        let nothing = try access.push([], from: outgoing.root, hash: .sha256)
        #expect(nothing.pins.isEmpty && nothing.problems.isEmpty)
        #expect(try access.list(hash: nil) { _ in } == 0)

        let gone = OutgoingObject(name: "gone", bytes: 3)
        let report = try access.push(outgoing.objects + [gone], from: outgoing.root, hash: .sha256)
        #expect(Array(report.pins.keys) == ["here"])
        #expect(report.problems.mapValues(\.code) == ["gone": .notFound])
        let other = try? access.push([gone], from: outgoing.folder.path("none"), hash: .sha256)
        #expect(other?.pins.isEmpty != false)
    }

    @Test("does not take a file of the same size for what it sends", arguments: [false, true])
    func strangers(isEncrypted: Bool) throws {
        let remote = try TestRemote(.folder)
        let keys = CryptKeys.generated()
        let access = try remote.access(keys: isEncrypted ? keys : nil)
        var outgoing = try Outgoing()
        try outgoing.add(Outgoing.random(1000, seed: 1), as: "one")
        var forged = try Outgoing()
        try forged.add(Outgoing.random(1000, seed: 2), as: "one")
        #expect(
            try access.push(forged.objects, from: forged.root, hash: .sha256).problems.isEmpty)
        let report = try access.push(outgoing.objects, from: outgoing.root, hash: .sha256)
        #expect(report.pins.isEmpty && report.problems["one"]?.code == .modified)
        #expect(try !access.removeRemains(of: outgoing.objects[0]))
    }

    /// The processes of rclone that push from a folder.
    private static func processes(pushing folder: String) -> [(id: pid_t, arguments: [String])] {
        let entries = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return entries.compactMap { pid_t($0) }.compactMap { process in
            guard RunningProcess.name(of: process) == "rclone",
                let arguments = RunningProcess.arguments(of: process), arguments.contains(folder)
            else { return nil }
            return (process, arguments)
        }
    }

    @Test(
        "that was stopped in the middle, or killed, catches up",
        arguments: [RemoteKind.folder, .webdav], [false, true])
    func interrupted(kind: RemoteKind, isKilled: Bool) throws {
        let remote = try TestRemote(kind)
        let keys = CryptKeys.generated()
        var outgoing = try Outgoing()
        for seed in 0..<4 as Range<UInt64> {
            try outgoing.addBlob(Outgoing.random(400_000, seed: seed))
        }
        let slow = try remote.access(keys: keys, bandwidth: 200_000)
        let root = outgoing.root
        let stopping = Lock<WorkerThread?>(nil)
        let error = #expect(throws: OffsiteError.self) {
            _ = try slow.push(outgoing.objects, from: outgoing.root, hash: kind.hash) { progress in
                guard progress.bytes > 0 else { return }
                stopping.withLock { thread in
                    if thread != nil { return }
                    thread = try? WorkerThread("stop") {
                        if !isKilled { return slow.stop() }
                        for process in Self.processes(pushing: root) { kill(process.id, SIGKILL) }
                    }
                }
            }
        }
        #expect(error?.code == .stopped)
        if !isKilled { #expect(throws: OffsiteError.self) { try slow.hashKind() } }

        let access = try remote.access(keys: keys)
        var pins: [String: Pin] = [:]
        for _ in 0..<3 where pins.count < outgoing.objects.count {
            let report = try access.push(outgoing.objects, from: outgoing.root, hash: kind.hash)
            pins = report.pins
            for object in outgoing.objects where report.problems[object.name] != nil {
                #expect(report.problems[object.name]?.code == .modified)
                #expect(try access.removeRemains(of: object))
            }
        }
        #expect(pins.count == outgoing.objects.count)
        for place in outgoing.places { try access.fetch(place) { _ in } }
    }

    @Test("shows no secret to others on the machine, and hears none of their settings")
    func secrets() throws {
        let remote = try TestRemote(.folder)
        let keys = CryptKeys.generated()
        var own = ProcessInfo.processInfo.environment
        own["RCLONE_DRY_RUN"] = "true"
        own["RCLONE_CONFIG"] = "/nonexistent/rclone.conf"
        own["AWS_CA_BUNDLE"] = "/nonexistent"
        let access = try remote.access(keys: keys, bandwidth: 300_000, Rclone(environment: own))
        var outgoing = try Outgoing()
        try outgoing.addBlob(Outgoing.random(500_000, seed: 1))
        let seen = Lock<[[String]]>([])
        let report = try access.push(outgoing.objects, from: outgoing.root, hash: .sha256) { _ in
            for process in Self.processes(pushing: outgoing.root) {
                seen.withLock { $0.append(process.arguments) }
            }
        }
        #expect(report.pins.count == 1 && report.problems.isEmpty)
        let arguments = seen.withLock { $0 }
        #expect(!arguments.isEmpty)
        let words = arguments.joined().joined(separator: " ")
        #expect(!words.contains(keys.password) && !words.contains(keys.salt))
        for (name, value) in access.environment.variables where name.contains("PASSWORD") {
            #expect(!words.contains(value) || value == "false")
        }
    }
}
