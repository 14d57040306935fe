import Foundation
import Programs
import SyntheticStudy
import Testing

/// Random sequences of operations in incoming and in a plain folder: the same answers.
@Suite(
    "Incoming behaves as a plain folder", .serialized,
    .enabled(if: PacsfsProgram.canMount, PacsfsProgram.cannotMount))
struct ModelTests {
    private static let environment = ProcessInfo.processInfo.environment
    /// `PACSFS_MODEL_OPERATIONS`: how many operations, over all.
    private static let operations = environment["PACSFS_MODEL_OPERATIONS"].flatMap(Int.init) ?? 2_000
    /// `PACSFS_MODEL_SEED`: that a failed test named.
    private static let seed = environment["PACSFS_MODEL_SEED"].flatMap(UInt64.init) ?? .random(in: 0..<1_000_000)
    /// A sequence has so many operations, and begins with an empty folder.
    private static let length = 500

    @Test("Random operations have the same results and errors, but for the published differences")
    func operations() throws {
        try MountedArchive.with(isMounted: false) { archive in
            // Names must not vanish while they are compared.
            try archive.configure { $0.replacing(/(?m)^settle = .*$/, with: "settle = 3600") }
            try archive.mount()
            for round in 0..<max(1, Self.operations / Self.length) {
                let seed = Self.seed &+ UInt64(round)
                let plain = try FileSide(making: "\(archive.work)/plain\(round)")
                let incoming = try FileSide(making: "\(archive.incoming)/model\(round)")
                guard try compare(plain, incoming, seed: seed) else { return }
            }
            // What was whole when it was closed is there, whatever came then.
            #expect(try archive.status().instances > 0)
        }
    }

    private func compare(_ plain: FileSide, _ incoming: FileSide, seed: UInt64) throws -> Bool {
        let image = SyntheticStudy(seed: seed, modality: .computedTomography, series: 1, imagesPerSeries: 1, side: 16)
            .image(series: 0, index: 0).write()
        var operations = FileOperations(seed: seed, image: image)
        var done: [String] = []
        func report(_ what: String) -> Comment {
            "PACSFS_MODEL_SEED=\(seed): \(what)\nafter\n\(done.suffix(40).joined(separator: "\n"))"
        }
        for number in 1...Self.length {
            let operation = operations.next(handles: plain.handles.count)
            let expected = plain.perform(operation)
            let found = incoming.perform(operation)
            let wanted = PublishedDifferences.expected(operation, expected)
            done.append("\(number) \(brief(operation)): \(expected)")
            if found != wanted {
                Issue.record(report("incoming says \(found), a plain folder \(wanted)"))
                return false
            }
            PublishedDifferences.undo(operation, expected, in: plain)
            guard number % 100 == 0 else { continue }
            let (left, right) = (plain.snapshot(), incoming.snapshot())
            let paths = Set(left.keys).union(right.keys).sorted()
            for path in paths {
                let wanted = left[path]?.map { PublishedDifferences.expected(.status(path), $0) }
                if wanted != right[path] {
                    Issue.record(report("\(path): incoming \(right[path] ?? []), a plain folder \(wanted ?? [])"))
                    return false
                }
            }
        }
        return true
    }

    /// Without the bytes that are written.
    private func brief(_ operation: FileOperation) -> String {
        switch operation {
        case .write(let handle, let bytes): "write(\(handle), \(bytes.count) bytes)"
        case .writeAt(let handle, let bytes, let offset): "writeAt(\(handle), \(bytes.count) bytes, \(offset))"
        case .map(let handle, let bytes, let offset): "map(\(handle), \(bytes.count) bytes, \(offset))"
        default: "\(operation)"
        }
    }
}
