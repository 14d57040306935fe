import DICOM
import Foundation
import Offsite
import Storage
import System
import TagIndex

/// Compares images that were restored with what the archive says of them.
struct RestoredImages {
    let core: ArchiveCore
    /// Made from the ledger of the source alone.
    let theirs: TagIndex
    let source: DrillSource
    let scratch: String

    private var decoder: PixelDecoder { PixelDecoder(scratch: scratch) }

    /// Looks at one image. Its failures are noted; an error that is none of the image is thrown.
    ///
    /// - Parameter id: Its `instance.id` here.
    func check(
        _ blob: StagedBlob, _ id: Int64, from objects: any RestoreSource,
        _ report: inout DrillReport, _ speed: inout Speed
    ) throws {
        let subject = blob.digest.hex
        let path = "\(scratch)/\(subject).dcm"
        defer { unlink(path) }
        guard try speed.measure({ try bring(blob, from: objects, to: path, &report) }) else {
            return
        }
        report.restored += 1
        report.restoredBytes += blob.bytes
        guard let known = try details(of: blob.digest) else {
            return report.fail(
                .unlisted, subject,
                """
                The image is there, and the ledger there does not have it: a restore would not \
                bring it back.
                """)
        }
        if let own = try core.index.read({ try $0.details(id) }) {
            try compare(known, own, subject, &report)
        }
        let file = try Descriptor(opening: path, O_RDONLY)
        var reader = HeaderReader()
        let header: HeaderAttributes
        do throws(ReadError) {
            header = try reader.readUpToPixels(FileDescriptorSource(descriptor: file.number)).header
        } catch {
            return report.fail(
                .attributes, subject, "Its header cannot be read: \(error.explanation)")
        }
        compare(header, known.attributes, subject, &report)
        decode(path, header, subject, &report)
    }

    private func details(of digest: Digest) throws -> ImageDetails? {
        try theirs.read { reader in
            try reader.instance(sha256: digest.bytes).flatMap { try reader.details($0) }
        }
    }

    // MARK: Bytes

    /// Copies an image here, and proves its bytes.
    ///
    /// - Returns: Whether it is as it was archived; what is wrong with it is noted.
    private func bring(
        _ blob: StagedBlob, from objects: any RestoreSource, to path: String,
        _ report: inout DrillReport
    ) throws -> Bool {
        let subject = blob.digest.hex
        let file: Descriptor
        do { file = try objects.open(blob) } catch {
            note(error, subject, &report)
            return false
        }
        let target = try Descriptor(opening: path, O_WRONLY | O_CREAT | O_TRUNC, mode: 0o600)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 4096)
        defer { buffer.deallocate() }
        var digest = StreamingDigest()
        while digest.bytes <= blob.bytes {
            let count: Int
            do throws(Errno) {
                count = try FileIO.read(file.number, into: buffer, at: digest.bytes)
            } catch {
                report.fail(
                    .changed, subject, "It cannot be read: \(error). \(remedy)")
                return false
            }
            if count == 0 { break }
            let piece = UnsafeRawBufferPointer(rebasing: buffer.prefix(count))
            try FileIO.write(target.number, piece, at: digest.bytes)
            digest.update(piece)
        }
        if digest.bytes != blob.bytes {
            Self.wrongSize(subject, digest.bytes, blob.bytes, source, &report)
            return false
        }
        guard digest.finalize() == blob.digest else {
            report.fail(
                .changed, subject, "It has other bytes than those that were archived. \(remedy)")
            return false
        }
        return true
    }

    private func note(_ error: any Error, _ subject: String, _ report: inout DrillReport) {
        let number = (error as? Errno)?.code
        if number == RegularFile.notRegular.code || number == ELOOP || number == EISDIR {
            return Self.notAFile(subject, source, &report)
        }
        let isMissing =
            number == ENOENT || (error as? ArchiveError)?.code == .notFound
            || (error as? OffsiteError)?.code == .notFound
        if isMissing {
            Self.missing(subject, source, &report)
        } else {
            report.fail(.changed, subject, "\(error). \(remedy)")
        }
    }

    private var remedy: String { Self.remedy(source) }

    private static func remedy(_ source: DrillSource) -> String {
        switch source {
        case .volume where source.isRemovable:
            "Leave the disk plugged in: what is bad on it is made anew within a day."
        case .volume(let ordinal): "Heal the volume: pacsfs scrub \(ordinal)"
        case .remote(let name):
            "Find all such, so that they are brought there again: pacsfs offsite check \(name) "
                + "--download"
        }
    }

    static func missing(_ subject: String, _ source: DrillSource, _ report: inout DrillReport) {
        report.fail(.missing, subject, "It is not there, and should be. \(remedy(source))")
    }

    static func notAFile(_ subject: String, _ source: DrillSource, _ report: inout DrillReport) {
        report.fail(
            .notAFile, subject, "Something else than a file has its name. \(remedy(source))")
    }

    static func wrongSize(
        _ subject: String, _ found: Int64, _ bytes: Int64, _ source: DrillSource,
        _ report: inout DrillReport
    ) {
        report.fail(
            found < bytes ? .truncated : .changed, subject,
            found < bytes
                ? "It ends after \(found) of \(bytes) bytes. \(remedy(source))"
                : "It has more than its \(bytes) bytes. \(remedy(source))")
    }

    // MARK: What is said of it

    /// Compares what the ledger of the source says with what the index here says.
    private func compare(
        _ known: ImageDetails, _ own: ImageDetails, _ subject: String, _ report: inout DrillReport
    ) throws {
        if known.attributes != own.attributes || known.bytes != own.bytes
            || known.received != own.received || known.source != own.source
        {
            report.fail(
                .index, subject,
                """
                The index that was made from the source says something else of the image than the \
                one here. Make that anew, since it is only a cache: pacsfs rebuild
                """)
        }
        // Views may have been changed since the ledger there ended.
        let (theirViews, ownViews) = try (
            theirs.read { try $0.views() }, core.index.read { try $0.views() }
        )
        let common = Set(ownViews.filter { theirViews.contains($0) }.map(\.name))
        func paths(_ details: ImageDetails) -> Set<[String]> {
            Set(details.paths.filter { $0.first.map { common.contains($0) } ?? false })
        }
        if paths(known) != paths(own) {
            report.fail(
                .paths, subject,
                """
                After a restore the image would have another path than now. Make the index here \
                anew, since it is only a cache: pacsfs rebuild
                """)
        }
    }

    /// Compares what an image says with what the ledger says of it. A later pacsfs may read more.
    private func compare(
        _ header: HeaderAttributes, _ known: AttributeSet, _ subject: String,
        _ report: inout DrillReport
    ) {
        let found = AttributeSet(header)
        let wrong = Attribute.allCases.filter { known[$0] != nil && known[$0] != found[$0] }
        if wrong.isEmpty { return }
        report.fail(
            .attributes, subject,
            """
            The ledger says something else than the image itself of \
            \(wrong.map(\.keyword).joined(separator: ", ")): its record does not follow from it.
            """)
    }

    private func decode(
        _ path: String, _ header: HeaderAttributes, _ subject: String,
        _ report: inout DrillReport
    ) {
        switch decoder.decode(path, syntax: header[.transferSyntaxUID] ?? "") {
        case .decoded: report.decoded += 1
        case .notDecoded(let reason): report.note(undecoded: reason)
        case .failed
        where header.flags.contains(.pixelDataTruncated) || header.flags.contains(.truncated):
            report.note(undecoded: "it was cut off before it was archived")
        case .failed(let reason):
            if report.broken.count < DrillReport.mostListed {
                report.broken.append(.init(sha256: subject, reason: reason))
            }
        }
    }
}
