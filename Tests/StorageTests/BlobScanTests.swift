import Foundation
import System
import Testing
import TestSupport

@testable import Storage

@Suite("A scan of the blobs") struct BlobScanTests {
    let folder: TemporaryFolder
    let volume: Volume
    let blobs: [ExpectedBlob]

    private static let large = content(9999, count: 700_001)

    /// A volume with blobs of many sizes, in many folders.
    init() throws {
        folder = try TemporaryFolder()
        volume = try folder.volume()
        var blobs: [ExpectedBlob] = []
        for number in 0..<200 {
            let bytes = content(UInt64(number), count: number == 0 ? 0 : number * 37 % 5000 + 1)
            blobs.append(try Self.put(bytes, on: volume))
        }
        // Larger than a buffer.
        blobs.append(try Self.put(Self.large, on: volume))
        self.blobs = blobs.sorted { $0.digest < $1.digest }
    }

    @discardableResult
    static func put(_ bytes: [UInt8], on volume: Volume) throws -> ExpectedBlob {
        let blob = ExpectedBlob(digest: .of(bytes), bytes: Int64(bytes.count))
        try write(bytes, to: path(blob, on: volume))
        return blob
    }

    static func path(_ blob: ExpectedBlob, on volume: Volume) -> String {
        volume.path + "/" + volume.blobPath(blob.digest)
    }

    func path(_ blob: ExpectedBlob) -> String { Self.path(blob, on: volume) }

    func expected(in folder: UInt8, of blobs: [ExpectedBlob]) -> [ExpectedBlob] {
        blobs.filter { $0.digest.bytes[0] == folder }
    }

    /// All that a scan finds but the good ones, and how many those are.
    func scan(
        _ options: BlobScan.Options = .init(threads: 3), expecting blobs: [ExpectedBlob]? = nil
    ) throws -> (good: Int, others: Set<BlobFinding>) {
        var good = 0
        var others: Set<BlobFinding> = []
        var completed: [UInt8] = []
        let end = try volume.scan(options).run(
            expecting: { expected(in: $0, of: blobs ?? self.blobs) },
            completed: { completed.append($0) },
            report: { finding in
                if case .good = finding {
                    good += 1
                } else {
                    #expect(others.insert(finding).inserted)
                }
            })
        #expect(end == .complete)
        #expect(completed.sorted() == Array(0...255))
        return (good, others)
    }

    @Test("finds all good when all is good, with one thread and with many", arguments: [1, 2, 9])
    func good(threads: Int) throws {
        let (good, others) = try scan(.init(threads: threads, isIdle: true))
        #expect(good == 201)
        #expect(others.isEmpty)
    }

    @Test("of a volume without blobs finds all missing") func nothing() throws {
        let empty = try folder.volume(2)
        var findings: [BlobFinding] = []
        let end = try empty.scan().run(
            expecting: { expected(in: $0, of: blobs) }, report: { findings.append($0) })
        #expect(end == .complete)
        #expect(findings == blobs.map { .bad($0, .missing) })
    }

    @Test("reports missing, truncated, longer and altered blobs") func faults() throws {
        let (one, two, three, four) = (blobs[3], blobs[50], blobs[99], blobs[150])
        try FileManager.default.removeItem(atPath: path(one))
        truncate(path(two), off_t(two.bytes - 1))
        let longer = try read(path(three)) + [0]
        try write(longer, to: path(three))
        var altered = try read(path(four))
        altered[altered.count / 2] ^= 4
        try write(altered, to: path(four))
        let (good, others) = try scan()
        #expect(good == 197)
        #expect(
            others == [
                .bad(one, .missing), .bad(two, .wrongSize(two.bytes - 1)),
                .bad(three, .wrongSize(three.bytes + 1)), .bad(four, .altered),
            ])
    }

    @Test("reports unexpected blobs, good or not") func unexpected() throws {
        let known = blobs.filter { $0 != blobs[7] && $0 != blobs[8] }
        var altered = try read(path(blobs[8]))
        altered[0] ^= 1
        try write(altered, to: path(blobs[8]))
        let (good, others) = try scan(expecting: known)
        #expect(good == 199)
        #expect(
            others == [
                .unexpected(blobs[7], fault: nil), .unexpected(blobs[8], fault: .altered),
            ])
    }

    @Test("reports files that are not blobs, and does not read them") func foreign() throws {
        let root = volume.path + "/blobs/"
        let blob = blobs[20]
        let hex = blob.digest.hex
        let inner = "\(hex.prefix(2))/\(hex.dropFirst(2).prefix(2))"
        let other = hex.hasPrefix("00") ? "11/11" : "00/00"
        try write([1], to: root + "notes.txt")
        try write([1], to: root + "zz/x")
        try write([1], to: root + "\(hex.prefix(2))/Thumbs.db")
        try write([1], to: root + "\(inner)/\(hex).dcm.tmp")
        try write([1], to: root + "\(inner)/\(hex.uppercased()).dcm")
        try write(read(path(blob)), to: root + "\(other)/\(hex).dcm")
        // In the places of blobs: a pipe that would block, a folder, a link.
        let places = [blobs[30], blobs[31], blobs[32]]
        for place in places { try FileManager.default.removeItem(atPath: path(place)) }
        #expect(mkfifo(path(places[0]), 0o644) == 0)
        #expect(mkdir(path(places[1]), 0o755) == 0)
        #expect(symlink(path(blobs[33]), path(places[2])) == 0)
        let (good, others) = try scan()
        #expect(good == 198)
        var foreign: Set<String> = []
        for finding in others {
            if case .foreign(let path, _) = finding { foreign.insert(path) }
        }
        let names = places.map { String(path($0).dropFirst(root.count)) }
        let stray = ["notes.txt", "zz", "\(hex.prefix(2))/Thumbs.db", "\(inner)/\(hex).dcm.tmp"]
        let misnamed = ["\(inner)/\(hex.uppercased()).dcm", "\(other)/\(hex).dcm"]
        #expect(foreign == Set(names + stray + misnamed))
        #expect(others.subtracting(places.map { .bad($0, .missing) }).count == foreign.count)
    }

    @Test("reports unreadable blobs", .disabled(if: geteuid() == 0, "root reads everything"))
    func unreadable() throws {
        chmod(path(blobs[5]), 0)
        let others = try scan().others
        guard case .bad(blobs[5], .unreadable(let reason))? = others.first else {
            Issue.record("found \(others)")
            return
        }
        #expect(reason.contains(blobs[5].digest.hex))
    }

    @Test("calls blobs in a folder that cannot be listed unreadable, not missing")
    func unlistable() throws {
        // A file stands where the outer folder was.
        let outer = String(blobs[60].digest.hex.prefix(2))
        let lost = blobs.filter { $0.digest.hex.hasPrefix(outer) }
        try FileManager.default.removeItem(atPath: volume.path + "/blobs/\(outer)")
        try write([1], to: volume.path + "/blobs/\(outer)")
        let (good, others) = try scan()
        #expect(good == 201 - lost.count)
        #expect(others.contains(.foreign(path: outer, reason: "it is not a folder")))
        for blob in lost {
            #expect(
                others.contains {
                    if case .bad(blob, .unreadable) = $0 { true } else { false }
                })
        }
    }

    @Test("stops on request, and continues with the folders that were not completed")
    func stopped() throws {
        let seen = Lock(0)
        var completed: [UInt8] = []
        var good: [ExpectedBlob: Int] = [:]
        func count(_ finding: BlobFinding) {
            guard case .good(let blob) = finding else { return }
            good[blob, default: 0] += 1
            seen.withLock { $0 += 1 }
        }
        // So slow that reading cannot run far ahead of the reports.
        let pace = Pace(bytesPerSecond: blobs.reduce(0) { $0 + $1.bytes } / 6)
        let end = try volume.scan(.init(threads: 2, pace: pace)).run(
            expecting: { expected(in: $0, of: blobs) },
            shouldStop: { seen.withLock { $0 >= 40 } },
            completed: { completed.append($0) }, report: count)
        #expect(end == .stopped)
        #expect(!completed.isEmpty && completed.count < 256)
        let left = Array(0...255).filter { !completed.contains($0) }
        let finished = Set(blobs.filter { completed.contains($0.digest.bytes[0]) })
        #expect(finished.isSubset(of: Set(good.keys)))
        #expect(
            try volume.scan().run(
                left, expecting: { expected(in: $0, of: blobs) }, report: count) == .complete)
        #expect(good.count == 201)
    }

    @Test("keeps the rate, over all threads") func paced() throws {
        // One second's worth may come at once.
        let bytes = blobs.reduce(0) { $0 + $1.bytes }
        let rate = bytes / 3
        let clock = ContinuousClock()
        let time = try clock.measure {
            _ = try scan(.init(threads: 4, pace: Pace(bytesPerSecond: rate)))
        }
        #expect(time > .milliseconds(1700) && time < .seconds(20), "took \(time)")
    }

    @Test("stops at once even when its rate is low") func pacedStop() throws {
        let clock = ContinuousClock()
        let stop = clock.now + .milliseconds(300)
        var end = BlobScan.End.complete
        let scan = try volume.scan(.init(threads: 2, pace: Pace(bytesPerSecond: 1)))
        let time = try clock.measure { end = try run(scan, until: { clock.now > stop }) }
        #expect(end == .stopped)
        #expect(time < .seconds(20))
    }

    private func run(
        _ scan: BlobScan, until isStopped: @escaping @Sendable () -> Bool
    ) throws -> BlobScan.End {
        try scan.run(
            expecting: { expected(in: $0, of: blobs) }, shouldStop: isStopped, report: { _ in })
    }

    @Test("leaves only the cached pages from before in memory, and changes no time of access")
    func traceless() throws {
        let cold = blobs[10]
        let warm = blobs.first { $0.bytes == 700_001 } ?? blobs[11]
        sync()
        drop(path(cold))
        _ = try read(path(warm))
        try #require(try residentPages(path(cold)) == 0)
        // A time of access older than that of the content is renewed by a read.
        var times = [timespec(tv_sec: 1, tv_nsec: 0), timespec(tv_sec: 2, tv_nsec: 0)]
        utimensat(AT_FDCWD, path(cold), &times, 0)
        _ = try scan()
        var after = stat()
        stat(path(cold), &after)
        #expect(after.st_atim.tv_sec == 1)
        #expect(try residentPages(path(cold)) == 0)
        #expect(try residentPages(path(warm)) > 0)
    }

    private func drop(_ path: String) {
        let file = open(path, O_RDONLY)
        defer { close(file) }
        posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED)
    }

    /// See: 'man 2 mincore'
    private func residentPages(_ path: String) throws -> Int {
        let file = open(path, O_RDONLY)
        defer { close(file) }
        var status = stat()
        fstat(file, &status)
        let size = Int(status.st_size)
        let map = try #require(mmap(nil, size, PROT_READ, MAP_SHARED, file, 0))
        defer { munmap(map, size) }
        var pages = [UInt8](repeating: 0, count: (size + 4095) / 4096)
        #expect(mincore(map, size, &pages) == 0)
        return pages.filter { $0 & 1 == 1 }.count
    }
}
