import Archive
import Glibc
import System
import Testing

@testable import FuseServer

@Suite("States of a file of incoming")
struct IncomingStateTests {
    /// A state without what it carries.
    enum Kind: CaseIterable {
        case foreign, writing, whole, archiving, archived, consumed, refused, settingAside, failed

        init(_ state: IncomingFile.State) {
            self =
                switch state {
                case .foreign: .foreign
                case .writing: .writing
                case .whole: .whole
                case .archiving: .archiving
                case .archived: .archived
                case .consumed: .consumed
                case .refused: .refused
                case .settingAside: .settingAside
                case .failed: .failed
                }
        }

        var state: IncomingFile.State {
            switch self {
            case .foreign: .foreign
            case .writing: .writing
            case .whole: .whole
            case .archiving: .archiving(.init(number: 7, unpacking: nil, failures: .init()))
            case .archived: .archived(1)
            case .consumed: .consumed
            case .refused: .refused("no")
            case .settingAside: .settingAside(attempt: 7, "no")
            case .failed: .failed(ArchiveError(.noSpace, "full"), .init())
            }
        }
    }

    /// Where a transition leads from the states in which it is legal; in others nothing changes.
    private static let transitions:
        [(name: String, apply: @Sendable (inout IncomingFile) -> Void, to: [Kind: Kind])] = [
            (
                "write", { $0.write() },
                Dictionary(uniqueKeysWithValues: Kind.allCases.map { ($0, .writing) })
            ),
            (
                "begin archiving", { _ = $0.beginArchiving(9, unpacking: nil) },
                [.writing: .archiving, .whole: .archiving, .failed: .archiving]
            ),
            (
                "archived", { $0.endArchiving(7, .success(.archived(1)), isOwn: false) },
                [.archiving: .archived]
            ),
            (
                "duplicate", { $0.endArchiving(7, .success(.duplicate(1)), isOwn: false) },
                [.archiving: .archived]
            ),
            (
                "unpacked", { $0.endArchiving(7, .success(.unpacked(images: 2)), isOwn: false) },
                [.archiving: .consumed]
            ),
            (
                "ignored", { $0.endArchiving(7, .success(.ignored), isOwn: false) },
                [.archiving: .consumed]
            ),
            (
                "refused", { $0.endArchiving(7, .success(.refused("no")), isOwn: false) },
                [.archiving: .refused]
            ),
            (
                "failed",
                { $0.endArchiving(7, .failure(ArchiveError(.noSpace, "full")), isOwn: false) },
                [.archiving: .failed]
            ),
            (
                "answer to another attempt",
                { $0.endArchiving(8, .success(.duplicate(1)), isOwn: false) },
                [:]
            ),
            ("refuse", { $0.refuse("half") }, [.writing: .refused]),
            ("reconsider", { $0.reconsider() }, [.refused: .writing]),
            (
                "set aside", { _ = $0.beginSettingAside(9, "no") },
                [
                    .writing: .settingAside, .whole: .settingAside, .refused: .settingAside,
                    .failed: .settingAside,
                ]
            ),
            (
                "could not be set aside", { _ = $0.endSettingAside(7, succeeded: false) },
                [.settingAside: .refused]
            ),
        ]

    @Test(
        "Each transition leads where the diagram says, and nowhere else", arguments: Kind.allCases)
    func transitions(kind: Kind) {
        for (name, apply, targets) in Self.transitions {
            var file = IncomingFile(shown: stat(), state: kind.state)
            apply(&file)
            #expect(Kind(file.state) == targets[kind] ?? kind, "\(name)")
        }
    }

    @Test("A file goes when it was set aside and nobody has it open, and only of the same attempt")
    func endOfSettingAside() {
        var file = IncomingFile(shown: stat(), state: Kind.settingAside.state)
        func goes(_ attempt: UInt64) -> Bool { file.endSettingAside(attempt, succeeded: true) }
        #expect(!goes(8))
        file.handles = 1
        #expect(!goes(7))
        #expect(Kind(file.state) == .refused)
        file = IncomingFile(shown: stat(), state: Kind.settingAside.state)
        #expect(goes(7))
    }

    @Test(
        "Its inode is written in place as long as it is not the archive's", arguments: Kind.allCases
    )
    func holders(kind: Kind) {
        var file = IncomingFile(shown: stat(), state: kind.state)
        let expected: IncomingFile.Holder =
            switch kind {
            case .foreign, .writing: .writer
            case .refused: .daemon
            default: .archive
            }
        #expect(file.holder == expected)
        file.deferral = .init(isForced: true)
        #expect(file.holder == (kind == .refused ? .archive : expected))
        file.write()
        #expect(file.holder == .writer && file.deferral == nil)
    }

    @Test("A deferral ends when the file is archived, and lasts while it is refused or failed")
    func deferrals() {
        func deferral(_ result: Result<IngestOutcome, ArchiveError>) -> IncomingFile.Deferral? {
            var file = IncomingFile(shown: stat(), state: Kind.archiving.state)
            file.deferral = .init(isForced: false)
            file.endArchiving(7, result, isOwn: false)
            return file.deferral
        }
        #expect(deferral(.success(.archived(1))) == nil)
        #expect(deferral(.success(.unpacked(images: 1))) == nil)
        #expect(deferral(.success(.refused("no"))) != nil)
        #expect(deferral(.failure(ArchiveError(.noSpace, "full"))) != nil)
    }

    @Test("A file that is kept apart while it is on its way is archived again")
    func detached() {
        var file = IncomingFile(shown: stat(), state: Kind.archiving.state)
        file.deferral = .init(isForced: true)
        let kept = file.detached()
        #expect(Kind(kept.state) == .whole && kept.deferral?.isForced == true)
        file = IncomingFile(shown: stat(), state: Kind.refused.state)
        #expect(Kind(file.detached().state) == .refused)
    }
}

@Suite("The tree of names")
struct DirectoryTreeTests {
    private var tree = DirectoryTree(root: 1, nextNumber: 100) { $0 }

    private mutating func add(_ name: String, in parent: UInt64, isDirectory: Bool = true) -> UInt64
    {
        tree.add(
            .init(name: Array(name.utf8), directory: parent), inode: 0, isDirectory: isDirectory,
            now: 0)
    }

    @Test("Paths lead from the root, also after a folder above was moved")
    mutating func paths() throws {
        let (a, b) = (add("a", in: 1), add("b", in: 1))
        let file = add("x", in: add("c", in: a), isDirectory: false)
        #expect(tree.path(of: file) == Array("a/c/x".utf8))
        #expect(tree.path(of: 1) == Array(".".utf8))
        tree.move(a, to: .init(name: Array("d".utf8), directory: b))
        #expect(tree.path(of: file) == Array("b/d/c/x".utf8))
        #expect(tree.child(.init(name: Array("a".utf8), directory: 1)) == nil)
    }

    @Test("A removed folder takes the names below it along; their numbers last until forgotten")
    mutating func removal() throws {
        let a = add("a", in: 1)
        let file = add("x", in: a, isDirectory: false)
        tree.update(file) { $0.lookups = 2 }
        let removed = Set(tree.remove(a))
        #expect(removed == [a, file])
        #expect(!tree.has(a))
        #expect(try tree.node(file).isRemoved && tree.place(of: file) == nil)
        #expect(throws: Errno(ESTALE)) { try tree.directory(a) }
        tree.forget(file, count: 2)
        #expect(!tree.has(file))
    }

    @Test("A chain of folders is visited, and forgotten, from its end, however deep it is")
    mutating func deepChain() {
        var (numbers, parent) = ([UInt64](), UInt64(1))
        for _ in 1...50_000 {
            parent = add("d", in: parent)
            tree.update(parent) { $0.lookups = 1 }
            numbers.append(parent)
        }
        var visited: [UInt64] = []
        tree.forEachUpwards { node, _ in visited.append(node.number) }
        #expect(visited == numbers.reversed())
        for number in numbers { tree.forget(number, count: 1) }
        #expect(numbers.allSatisfy { !tree.has($0) })
    }

    @Test("One name at a time is reserved, and none below a folder that is being moved")
    func reservations() throws {
        var tree = tree
        var reservations = Reservations()
        let folder = tree.add(
            .init(name: Array("a".utf8), directory: 1), inode: 0, isDirectory: true, now: 0)
        let below = tree.add(
            .init(name: Array("b".utf8), directory: folder), inode: 0, isDirectory: true, now: 0)
        tree.update(below) { $0.clearing = .whenAbandoned }
        let (x, y) = (
            DirectoryTree.Place(name: Array("x".utf8), directory: below),
            DirectoryTree.Place(name: Array("y".utf8), directory: 1)
        )
        func reserves(_ places: DirectoryTree.Place...) throws -> Bool {
            try reservations.reserve(places, in: &tree)
        }
        #expect(try reserves(x))
        #expect(try !reserves(y, x))
        #expect(try reserves(y))
        reservations.release([x, y], in: &tree)
        reservations.beginMove(of: folder, in: &tree)
        #expect(try !reserves(x))
        #expect(try reserves(y))
        reservations.endMove(of: folder, in: &tree)
        #expect(try reserves(x))
        #expect(reservations.moves == 2)
    }

    @Test("A folder is kept while a name in it is reserved, and goes when that ends")
    mutating func keptWhileReserved() throws {
        var reservations = Reservations()
        let folder = add("a", in: 1)
        let places = ["x", "y"].map {
            DirectoryTree.Place(name: Array($0.utf8), directory: folder)
        }
        for place in places { #expect(try reservations.reserve([place], in: &tree)) }
        tree.forget(folder, count: 0)
        reservations.release([places[0]], in: &tree)
        // Given back twice it counts once.
        reservations.release([places[0]], in: &tree)
        #expect(tree.has(folder))
        reservations.release([places[1]], in: &tree)
        #expect(!tree.has(folder))
        #expect(throws: Errno(ESTALE)) { try reservations.reserve([places[0]], in: &tree) }
    }

    @Test("A file has one turn, and is wanted as long as a thread has it or waits for it")
    func turns() {
        var reservations = Reservations()
        let first = reservations.takeTurn(of: 7)
        let again = reservations.takeTurn(of: 7)
        let other = reservations.takeTurn(of: 8)
        #expect(first && !again && other)
        reservations.beginWait(for: 7)
        reservations.beginWait(for: 7)
        #expect(reservations.areAwaited(7) && !reservations.areAwaited(nil))
        reservations.endTurn(of: 7)
        #expect(!reservations.isTurnTaken(of: 7) && reservations.areWanted(of: 7))
        reservations.endWait(for: 7)
        #expect(reservations.areWanted(of: 7))
        reservations.endWait(for: 7)
        #expect(!reservations.areWanted(of: 7) && reservations.isTurnTaken(of: 8))
    }

    @Test(
        "Folders are due when everything below the topmost is quiet: each before the one it is in")
    func dueFolders() throws {
        let settings = Settings()
        var state = IncomingContents(tree: tree)
        func folder(_ name: String, in parent: UInt64, _ clearing: DirectoryTree.Clearing) -> UInt64
        {
            let number = state.tree.add(
                .init(name: Array(name.utf8), directory: parent), inode: 0, isDirectory: true,
                now: 0)
            state.tree.update(number) { $0.clearing = clearing }
            return number
        }
        let top = folder("CD", in: 1, .whenQuiet)
        let inner = folder("DICOM", in: top, .whenQuiet)
        let other = folder("new", in: 1, .whenAbandoned)
        func due(at now: Int64) -> [[UInt64]] {
            state.due(.init(now: now, settle: 10, empty: 600), settings).compactMap {
                if case .clearFolders(let numbers, _) = $0 { numbers } else { nil }
            }
        }
        #expect(due(at: 9) == [])
        #expect(due(at: 10) == [[inner, top]])
        #expect(Set(due(at: 600)) == [[inner, top], [other]])
        state.touch(inner, now: 595)
        #expect(due(at: 600) == [[other]])
        state.tree.update(inner) { $0.uses = 1 }
        #expect(due(at: 700) == [[other]])
    }
}
