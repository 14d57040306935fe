import Archive
import CFuse3
import Foundation
import Glibc
import Storage
import System
import TemporaryArchive
import TestSupport
import Testing

@testable import FuseServer

/// What requests cost under the lock of the tree, in visits of nodes.
@Suite("Work in incoming grows no faster than its input")
struct TreeWorkTests {
    private let fixture: TreeFixture

    init() throws { fixture = try TreeFixture(settle: 0.05) }

    private func visits(_ body: () throws -> Void) rethrows -> Int {
        let before = fixture.tree.locked { $0.tree.visits }
        try body()
        return fixture.tree.locked { $0.tree.visits } - before
    }

    @Test("A name costs the same, however many there are beside it; so does a rename of them all")
    func manyNames() throws {
        let folder = try fixture.makeDirectory("many")
        func make(_ number: Int) throws {
            fixture.tree.release(try fixture.create("\(number)", in: folder))
        }
        let first = try visits { for number in 0..<50 { try make(number) } }
        for number in 50..<250 { try make(number) }
        let last = try visits { for number in 250..<300 { try make(number) } }
        #expect(last <= first + first / 10)
        let renaming = visits { #expect(fixture.rename("many", to: "other") == 0) }
        #expect(renaming < 100)
        // Looking what is due costs a few visits for each.
        let pace = IncomingContents.Pace(now: 0, settle: 1, empty: 1)
        let settings = fixture.archive.settings
        let looking = visits { _ = fixture.tree.locked { $0.due(pace, settings) } }
        #expect(looking < 4 * 350)
        _ = try fixture.tree.locked { state throws(Errno) in try state.tree.node(folder) }
    }

    @Test(
        "Nested folders go one after the other, and none is looked at once for each of the others")
    func nested() throws {
        func chains(_ count: Int) throws -> Int {
            try visits {
                for chain in 0..<count {
                    var folder = try fixture.makeDirectory("\(chain)")
                    for _ in 1..<32 { folder = try fixture.makeDirectory("d", in: folder) }
                }
                let pace = IncomingContents.Pace(
                    now: fixture.tree.clock.now + 1_000_000_000_000, settle: 1, empty: 1)
                let settings = fixture.archive.settings
                let due = fixture.tree.locked { $0.due(pace, settings) }
                #expect(due.count == count)
                for chain in 0..<count {
                    let status = fixture.rename("\(chain)", to: "x\(chain)")
                    #expect(status == 0)
                }
                for chain in 0..<count {
                    try FileManager.default.removeItem(atPath: fixture.path("x\(chain)"))
                    #expect(throws: Errno(ENOENT)) {
                        try fixture.tree.lookup(Array("x\(chain)".utf8), in: fixture.root)
                    }
                }
            }
        }
        let (few, many) = (try chains(2), try chains(8))
        #expect(many <= few * 4 + few / 2)
    }

    // MARK: As many as in the report (HOSTILE 3), in memory only

    /// Names of `/incoming` as requests change them, without a disk.
    private struct Names {
        var contents = IncomingContents(tree: DirectoryTree(root: 1, nextNumber: 100) { $0 })

        /// MKDIR or CREATE, RELEASE and FORGET.
        mutating func make(_ name: String, in parent: UInt64, isDirectory: Bool) throws -> UInt64 {
            var status = stat()
            status.st_mode = isDirectory ? S_IFDIR | 0o755 : S_IFREG | 0o644
            let place = DirectoryTree.Place(name: Array(name.utf8), directory: parent)
            #expect(try contents.reservations.reserve([place], in: &contents.tree))
            let number = contents.meet(place, status, now: 0)
            contents.tree.update(number) {
                $0.lookups += 1
                if isDirectory { $0.clearing = .whenAbandoned }
            }
            if !isDirectory {
                contents.add(IncomingFile(shown: status, state: .archived(1)), as: number)
            }
            contents.reservations.release([place], in: &contents.tree)
            contents.touch(number, now: 0)
            contents.dropIfIdle(number)
            contents.tree.forget(number, count: 1)
            return number
        }

        mutating func rename(_ number: UInt64, to name: String) throws {
            let place = DirectoryTree.Place(name: Array(name.utf8), directory: 1)
            contents.reservations.beginMove(of: number, in: &contents.tree)
            contents.move(number, to: place)
            contents.reservations.endMove(of: number, in: &contents.tree)
        }

        func due() -> [IncomingContents.Step] {
            contents.due(.init(now: 1_000, settle: 1, empty: 1), Settings())
        }

        mutating func visits<R>(_ body: (inout Names) throws -> R) rethrows -> (Int, R) {
            let before = contents.tree.visits
            let result = try body(&self)
            return (contents.tree.visits - before, result)
        }
    }

    @Test("20,000 names in one folder cost each what the first ones cost", .mayNotHang)
    func twentyThousandNames() throws {
        var names = Names()
        let folder = try names.make("many", in: 1, isDirectory: true)
        func make(_ numbers: Range<Int>) throws -> Int {
            try names.visits { names in
                for number in numbers {
                    _ = try names.make("\(number)", in: folder, isDirectory: false)
                }
            }.0
        }
        let first = try make(0..<1_000)
        _ = try make(1_000..<19_000)
        #expect(try make(19_000..<20_000) <= first)
        #expect(try names.visits { try $0.rename(folder, to: "other") }.0 < 40)
        let (looking, due) = names.visits { $0.due() }
        #expect(looking < 4 * 20_000)
        #expect(due.count == 20_001)
        // They settle one by one, and then the folder.
        let (clearing, _) = names.visits { names in
            for step in due {
                if case .clear(let number) = step { names.contents.remove(number) }
            }
        }
        #expect(clearing < 20 * 20_000)
        #expect(names.contents.files.isEmpty)
        #expect(try names.contents.tree.node(folder).children.isEmpty)
    }

    @Test("1,500 nested folders cost no more each than half as many", .mayNotHang)
    func nestedFolders() throws {
        /// What each of `count` folders costs, made, renamed from above, settled, and removed.
        func cost(of count: Int, in names: inout Names) throws -> [Int] {
            var (numbers, costs) = ([UInt64](), [Int]())
            let (making, _) = try names.visits { names in
                for _ in 0..<count {
                    numbers.append(
                        try names.make("d", in: numbers.last ?? 1, isDirectory: true))
                }
            }
            costs.append(making / count)
            costs.append(try names.visits { try $0.rename(numbers[0], to: "x") }.0)
            let (looking, due) = names.visits { $0.due() }
            costs.append(looking / count)
            guard case .clearFolders(let folders, top: numbers[0]) = due.first, due.count == 1
            else {
                Issue.record("not due")
                return costs
            }
            #expect(folders == numbers.reversed())
            let (clearing, _) = names.visits { names in
                for number in folders.prefix(count / 2) { names.contents.remove(number) }
            }
            costs.append(clearing / (count / 2))
            let (removing, _) = names.visits { $0.contents.remove(numbers[0]) }
            costs.append(removing / (count / 2))
            #expect(!names.contents.tree.has(numbers[0]))
            return costs
        }
        var names = Names()
        let half = try cost(of: 750, in: &names)
        let whole = try cost(of: 1_500, in: &names)
        // Those above learn of 257 levels at most, so that the first ones cost less.
        for (half, whole) in zip(half, whole) { #expect(whole <= half + half / 3, "\(half)") }
        #expect(whole[1] < 40)
    }

    @Test("256 levels of folders are as deep as it goes, by MKDIR and by RENAME")
    func deepest() throws {
        var folder = fixture.root
        var folders: [UInt64] = []
        for depth in 1...DirectoryTree.deepest {
            let cost = try visits { folder = try fixture.makeDirectory("d", in: folder) }
            #expect(cost < 40 + 12 * depth)
            folders.append(folder)
        }
        #expect(throws: Errno(ENAMETOOLONG)) { try fixture.makeDirectory("d", in: folder) }
        // Files have room there.
        #expect(try fixture.save(image(1), as: "IM1.dcm", in: folder) == 0)
        let other = try fixture.makeDirectory("other")
        _ = try fixture.makeDirectory("below", in: other)
        #expect(fixture.rename("other", to: "d", below: folders[254]) == ENAMETOOLONG)
        #expect(fixture.rename("other", to: "e", below: folders[254]) == ENAMETOOLONG)
        #expect(fixture.rename("other", to: "e", below: folders[253]) == 0)
        // Up, and within its folder.
        #expect(fixture.rename("d", in: folders[0], to: "up") == 0)
        #expect(fixture.rename("e", in: folders[253], to: "f", below: folders[253]) == 0)
        #expect(fixture.rename("up", to: "d", below: folders[0]) == 0)
        // What is gone does not count any more.
        try fixture.tree.removeDirectory(Array("below".utf8), in: other)
        #expect(fixture.rename("f", in: folders[253], to: "f", below: folders[254]) == 0)
        #expect(throws: Errno(ENAMETOOLONG)) { try fixture.makeDirectory("x", in: other) }
    }

    @Test(
        "A file that is opened for writing is copied when it is written, and only if there is room")
    func copiedWhenWritten() throws {
        let bytes = image(1)
        try fixture.save(bytes, as: "IM1.dcm")
        var before = stat(), after = stat()
        #expect(stat(fixture.path("IM1.dcm"), &before) == 0)
        let handle = try fixture.open("IM1.dcm", flags: O_RDWR)
        #expect(try fixture.bytes(of: handle) == bytes)
        #expect(fixture.flush(handle) == 0)
        #expect(stat(fixture.path("IM1.dcm"), &after) == 0)
        #expect(before.st_ino == after.st_ino && after.st_nlink == before.st_nlink)
        try fixture.write([1], to: handle)
        #expect(stat(fixture.path("IM1.dcm"), &after) == 0)
        #expect(before.st_ino != after.st_ino && after.st_nlink == 1)
        fixture.tree.release(handle)
        #expect(try fixture.isBlob(bytes))
    }

    @Test(
        "An archived file that is written to says so when there is no room for its copy",
        .enabled(if: SmallDisk.isPossible, "needs root, to mount a small disk"))
    func noRoomForCopy() throws {
        var disk: SmallDisk?
        let fixture = try TreeFixture { folder in
            let path = folder.path("volume2")
            try FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: false)
            disk = try SmallDisk(at: path, bytes: 20 << 20)
        }
        let mounted = try #require(disk)
        defer { mounted.unplug() }
        try fixture.save(image(1), as: "IM1.dcm")
        let other = try fixture.temporary.folder.write(
            [UInt8](repeating: 1, count: 13 << 20), to: "volume2/other")
        defer { unlink(other) }
        let handle = try fixture.open("IM1.dcm", flags: O_WRONLY)
        #expect(throws: Errno(ENOSPC)) { try fixture.write([1], to: handle) }
        fixture.tree.release(handle)
        #expect(try fixture.isBlob(image(1)))
    }
}
