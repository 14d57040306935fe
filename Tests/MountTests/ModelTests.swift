import Foundation
import Glibc
import TestSupport
import SyntheticStudy
import Testing

/// Random sequences of operations in incoming and in a plain folder: the same answers.
@Suite(
    "Incoming behaves as a plain folder", .serialized,
    .enabled(if: PacsfsProgram.canMount, PacsfsProgram.cannotMount))
struct ModelTests {
    private static let environment = ProcessInfo.processInfo.environment
    /// `PACSFS_MODEL_OPERATIONS`: how many operations, over all.
    private static let operations =
        environment["PACSFS_MODEL_OPERATIONS"].flatMap(Int.init) ?? 2_000
    /// `PACSFS_MODEL_SEED`: that a failed test named.
    private static let seed =
        environment["PACSFS_MODEL_SEED"].flatMap(UInt64.init) ?? .random(in: 0..<1_000_000)
    /// A sequence has so many operations, and begins with an empty folder.
    private static let length = 500

    @Test(
        "Random operations have the same results and errors, except for the published differences",
        arguments: Setting.allCases)
    func operations(_ setting: Setting) throws {
        let images = try Self.images()
        let rounds = (Self.operations / Setting.allCases.count + Self.length - 1) / Self.length
        try MountedArchive.with(setting, isMounted: false) { archive in
            // Names must not vanish while they are compared.
            try archive.configure { $0.replacing(/(?m)^settle = .*$/, with: "settle = 3600") }
            try archive.mount()
            let difference = try archive.asUser { () -> String? in
                for round in 0..<rounds {
                    let seed = Self.seed &+ UInt64(round)
                    let plain = try FileSide(making: "\(archive.work)/plain\(round)")
                    let incoming = try FileSide(making: "\(archive.incoming)/model\(round)")
                    if let found = compare(plain, incoming, seed: seed, images) { return found }
                }
                return nil
            }
            #expect(difference == nil)
            // An image that was whole when it was closed is there, in spite of later operations.
            #expect(try archive.status().instances > 0)
        }
    }

    /// Real files up to 60 kB, odd ones included; a synthetic one if there are none.
    private static func images() throws -> [[UInt8]] {
        guard let corpus = Corpus.shared else {
            let study = SyntheticStudy(
                seed: seed, modality: .computedTomography, series: 1, imagesPerSeries: 1, side: 16)
            return [study.image(series: 0, index: 0).write()]
        }
        let paths = try corpus.entries("samples").map(\.pathFromRoot)
        return try paths.map { try Files.read("\(corpus.root)/\($0)") }.filter {
            (1...60_000).contains($0.count)
        }
    }

    /// - Returns: The first difference, and the operations before it; `nil` when there is none.
    private func compare(_ plain: FileSide, _ incoming: FileSide, seed: UInt64, _ images: [[UInt8]])
        -> String?
    {
        var choice = SeededRandom(seed: seed, 0x696d67)
        func image() -> [UInt8] { images[choice.below(images.count)] }
        // Both folders begin with some files.
        var beginning = ["c.dcm", "a", "a.part"].flatMap { name -> [FileOperation] in
            [.open(name, O_WRONLY | O_CREAT, 0o644), .write(0, image()), .close(0)]
        }
        var operations = FileOperations(
            seed: seed, image: image(), owners: geteuid() == 0 ? [0, 1, 2] : [OtherUser.uid, 0])
        var done: [String] = []
        func report(_ what: String) -> String {
            "PACSFS_MODEL_SEED=\(seed): \(what)\nafter\n\(done.suffix(40).joined(separator: "\n"))"
        }
        for number in 1...Self.length {
            let operation =
                beginning.isEmpty
                ? operations.next(handles: plain.handles.count) : beginning.removeFirst()
            let expected = plain.perform(PublishedDifferences.onPlainFolder(operation, in: plain))
            let found = incoming.perform(operation)
            let wanted = PublishedDifferences.expected(operation, expected)
            done.append("\(number) \(brief(operation)): \(expected)")
            if found != wanted { return report("incoming says \(found), a plain folder \(wanted)") }
            PublishedDifferences.undo(operation, expected, in: plain)
            guard number % 100 == 0 else { continue }
            let (left, right) = (plain.snapshot(), incoming.snapshot())
            let paths = Set(left.keys).union(right.keys).sorted()
            for path in paths {
                let wanted = left[path]?.map { PublishedDifferences.expected(.status(path), $0) }
                if wanted != right[path] {
                    return report(
                        "\(path): incoming \(right[path] ?? []), a plain folder \(wanted ?? [])")
                }
            }
        }
        return nil
    }

    /// Without the bytes that are written.
    private func brief(_ operation: FileOperation) -> String {
        switch operation {
        case .write(let handle, let bytes): "write(\(handle), \(bytes.count) bytes)"
        case .writeAt(let handle, let bytes, let offset):
            "writeAt(\(handle), \(bytes.count) bytes, \(offset))"
        case .map(let handle, let bytes, let offset):
            "map(\(handle), \(bytes.count) bytes, \(offset))"
        default: "\(operation)"
        }
    }
}
