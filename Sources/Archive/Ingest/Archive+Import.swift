import Foundation
import System

/// What became of it.
public struct ImportResult: Codable, Sendable {
    public enum Outcome: String, Codable, Sendable, CaseIterable {
        case archived, duplicate, rejected, ignored, failed
    }

    public var path: String
    public var bytes: Int64
    public var outcome: Outcome
    /// Why it was rejected or failed.
    @Nullable public var reason: String? = nil
    /// Whether it was archived and an earlier image has the same data set.
    public var sameDataSet = false
    /// Set when it was archived and the file ends before its data set does: what is missing.
    @Nullable public var truncated: String? = nil

    public init(path: String, bytes: Int64, outcome: Outcome, reason: String? = nil) {
        self.path = path
        self.bytes = bytes
        self.outcome = outcome
        self.reason = reason
    }
}

extension Archive {
    /// Archives files that lie elsewhere, or sets them aside; the sources stay as they are.
    /// Returns when each of them is safe, or is known not to be. A zip archive that was
    /// unpacked has a result for each member, as of a file below it.
    ///
    /// - Parameter each: Called with each result as soon as it is known; from any thread, one at
    ///   a time.
    public func importFiles(
        _ files: [ImportFile], each: @escaping @Sendable (ImportResult) -> Void = { _ in }
    ) -> [ImportResult] {
        let results = Lock<[[ImportResult]]>(Array(repeating: [], count: files.count))
        let pending = Monitor(files.count)
        let sequence = IngestSequence()
        var opener = ImportOpener()
        for (index, file) in files.enumerated() {
            @Sendable func tell(_ result: ImportResult) {
                results.withLock {
                    $0[index].append(result)
                    each(result)
                }
            }
            importFile(file, &opener, turn: (sequence, index), member: tell) { result in
                if let result { tell(result) }
                pending.withLock(waking: .all) { $0 -= 1 }
            }
        }
        pending.wait { $0 == 0 ? () : nil }
        return results.withLock { $0.flatMap(\.self) }
    }

    /// - Parameters:
    ///   - member: Called with the result of each member of a zip archive.
    ///   - completion: Called once; with `nil` when the members' results say it all.
    private func importFile(
        _ file: ImportFile, _ opener: inout ImportOpener,
        turn: (sequence: IngestSequence, number: Int),
        member: @escaping @Sendable (ImportResult) -> Void,
        completion: @escaping @Sendable (ImportResult?) -> Void
    ) {
        let name = file.path.split(separator: "/").last.map { Array($0.utf8) } ?? []
        let descriptor: Int32
        do throws(ImportOpener.Refusal) {
            descriptor = try opener.open(file).release()
        } catch {
            turn.sequence.take(turn.number) {}
            return completion(
                ImportResult(path: file.path, bytes: 0, outcome: .failed, reason: error.reason))
        }
        let staged = StagedFile(descriptor)
        let bytes = staged.bytes
        if settings.ignores(name), !Self.isImage(descriptor) {
            turn.sequence.take(turn.number) {}
            return completion(ImportResult(path: file.path, bytes: bytes, outcome: .ignored))
        }
        let open = IngestFile(descriptor, owner: staged)
        let source = IngestSource.file(file.path, rejectedPath: file.rejectedPath)
        var request = IngestRequest(file: open, source: source, bytes: bytes, digest: nil)
        @Sendable func finish(_ result: Result<IngestOutcome, ArchiveError>) {
            var answer = ImportResult(path: file.path, bytes: bytes, outcome: .archived)
            switch result {
            case .success(.archived(_, let cutOff)): answer.truncated = cutOff
            case .success(.sameDataSet(_, let cutOff)):
                (answer.sameDataSet, answer.truncated) = (true, cutOff)
            case .success(.unpacked): return completion(nil)
            case .success(.ignored): answer.outcome = .ignored
            case .success(.duplicate): answer.outcome = .duplicate
            case .success(.refused(let reason)):
                do {
                    try reject(RejectRequest(file: open, source: source, reason: reason))
                    (answer.outcome, answer.reason) = (.rejected, reason)
                } catch {
                    (answer.outcome, answer.reason) = (.failed, "\(error)")
                }
            case .failure(let error):
                (answer.outcome, answer.reason) = (.failed, "\(error)")
            }
            completion(answer)
        }
        let isZip = Self.isZip(descriptor)
        request.isZip = isZip
        if isZip {
            turn.sequence.take(turn.number) {}
            intake.zips.submit(request, to: intake, each: member, completion: finish)
        } else {
            request.turn = turn
            ingest(request, completion: finish)
        }
    }
}
