import DICOM
import Foundation
import Glibc
import Storage
import System

/// Unpacks one zip archive: its images are archived, other files are rejected. When ``run()`` has
/// returned, that many images are safe, and the zip archive is not needed any more.
///
/// Each member is written to a file without a name on the volume of `/incoming`, which becomes the
/// blob without another copy. A crash leaves the zip archive where it was.
struct ZipIngest {
    /// Takes the members.
    let archive: Intake
    let request: IngestRequest
    let unpacking: Unpacking
    /// Called with the outcome of each member; from any thread, one at a time.
    let each: @Sendable (ImportResult) -> Void
    /// Whether pacsfs is being stopped.
    let isStopping: @Sendable () -> Bool

    /// - Returns: The number of its images.
    /// - Throws: ``ZipError`` when the zip archive is to be rejected as a whole; any other error
    ///   when it could not be unpacked now.
    func run() throws -> Int {
        let isEmpty = ZipReader.isEmpty(descriptor: request.file.descriptor)
        if isEmpty { throw ZipError("This is an empty zip archive.") }
        let space = try archive.core.capacity()
        let directory = try ZipDirectory(descriptor: request.file.descriptor, bytes: request.bytes)
        let survey = try ZipSurvey(
            try reader(), directory, packed: request.bytes, capacity: space.total)
        guard survey.bytes <= space.free else {
            throw ArchiveError(
                .noSpace,
                "\(survey.bytes) bytes do not fit, there is room for \(space.free).",
                remedy: "Add a volume; pacsfs deletes nothing to make room."
            )
        }
        unpacking.begin(files: survey.files)
        let progress = ZipProgress(each: each)
        try unpack(survey, progress)
        let result = progress.wait()
        if let failure = result.failure { throw failure }
        if let damage = result.damage {
            guard result.images > 0 else { throw damage }
            throw ZipError(damage.reason + " Its \(result.images) good images are archived.")
        }
        if result.images == 0 {
            throw ZipError(
                """
                This is a zip archive without a DICOM image. The first of its \(survey.files) \
                files: \(result.example).
                """
            )
        }
        try setAside(result.refused)
        return result.images
    }

    private func reader() throws -> ZipReader {
        try ZipReader(descriptor: request.file.descriptor, bytes: request.bytes)
    }

    private func requireRunning() throws {
        if isStopping() {
            throw ArchiveError(
                .shuttingDown,
                "pacsfs is being stopped; \(request.source) was not unpacked to its end.")
        }
    }

    /// Archives every member that may be an image.
    private func unpack(_ survey: ZipSurvey, _ progress: ZipProgress) throws {
        let reader = try reader()
        let sequence = IngestSequence()
        var (number, turn, total) = (-1, 0, Int64(0))
        do {
            while let member = try reader.next(), !progress.hasFailed {
                number += 1
                guard member.kind == .file, let name = member.components.last else { continue }
                try requireRunning()
                let source = source(of: member)
                let isIgnored = archive.settings.ignores(Array(name.utf8))
                func ignore() {
                    unpacking.advance()
                    progress.ignored("\(source)", bytes: member.bytes)
                }
                let before = total
                let file: ZipMemberFile
                do {
                    file = try ZipMemberFile(reader, member, on: archive.staging) {
                        bytes throws(ZipError) in
                        try survey.requirePlausible(before + bytes)
                    }
                } catch let error as ZipError where error.isOfOneMember {
                    if isIgnored {
                        ignore()
                        continue
                    }
                    // The others may be whole.
                    unpacking.advance()
                    progress.damaged(error)
                    continue
                }
                total += file.bytes
                if isIgnored, !Archive.isImage(file.open.descriptor) {
                    ignore()
                    continue
                }
                if let reason = file.refusal {
                    unpacking.advance()
                    progress.refused(number, "\(source)", bytes: file.bytes, reason)
                    continue
                }
                var ingest = IngestRequest(
                    file: file.open, source: source, bytes: file.bytes, digest: file.digest,
                    staging: archive.staging)
                ingest.isExtracted = true
                ingest.turn = (sequence, turn)
                turn += 1
                let (index, bytes) = (number, file.bytes)
                progress.begin(bytes)
                archive.ingest(ingest) { [unpacking] result in
                    unpacking.advance()
                    progress.end(index, "\(source)", bytes: bytes, result)
                }
            }
        } catch {
            progress.failed(error)
        }
    }

    /// So many members, and so many bytes of them, are rejected at once.
    private static let batch = (files: 500, bytes: Int64(256 << 20))

    /// Rejects the members that are not images, each for its reason.
    private func setAside(_ refused: [Int: String]) throws {
        guard !refused.isEmpty else { return }
        let reader = try reader()
        let access = FileAccess(try FileFacts(of: request.file.descriptor))
        var number = -1
        var (staged, results, bytes): ([RejectedFiles.Staged], [ImportResult], Int64) = ([], [], 0)
        defer { archive.rejected.discard(staged) }
        func commit() throws {
            let all = staged
            staged = []
            try archive.rejected.reject(all)
            results.forEach(each)
            (results, bytes) = ([], 0)
        }
        while let member = try reader.next() {
            number += 1
            guard let reason = refused[number] else { continue }
            try requireRunning()
            let file = try ZipMemberFile(reader, member, on: archive.staging) {
                _ throws(ZipError) in
            }
            let source = source(of: member)
            let rejection = RejectRequest(
                file: file.open, source: source, reason: reason, access: access)
            if let file = try archive.rejected.stage(rejection) { staged.append(file) }
            results.append(
                ImportResult(
                    path: "\(source)", bytes: file.bytes, outcome: .rejected, reason: reason))
            bytes += file.bytes
            if staged.count >= Self.batch.files || bytes >= Self.batch.bytes { try commit() }
        }
        try commit()
    }

    private func source(of member: ZipReader.Member) -> IngestSource {
        .member(member.components.joined(separator: "/"), of: request.source)
    }
}
