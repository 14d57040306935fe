import DICOM
import Glibc
import Storage
import System
import TagIndex

// When a device sends an image again, or a program writes it to a disc, the file often has the same
// data set with another file header: the implementation UIDs and AE titles of group 0002 are those
// of the program that wrote the file (PS3.10 section 7.1). Such a file is another version by its
// bytes, and the same image by its content.

/// Where the data set of a file begins, and how it is encoded.
struct DataSetPlace: Sendable {
    /// The image's: others are not compared.
    let sopInstanceUID: String
    let offset: UInt64
    fileprivate let transferSyntax: String?

    /// - Returns: `nil` for an image without a SOPInstanceUID.
    init?(_ header: HeaderAttributes) {
        guard let uid = header[.sopInstanceUID], !uid.isEmpty else { return nil }
        sopInstanceUID = uid
        offset = header.dataSetOffset
        transferSyntax = header[.transferSyntaxUID]
    }
}

/// Finds images that differ only in their preamble and group 0002: the transfer syntax and every
/// byte of the data set are the same.
struct SameDataSet: Sendable {
    let volumes: VolumeSet
    let index: TagIndex
    let checker: CopyChecker
    /// At most this many images with one UID are compared: some devices give it to all images.
    static let most = 8

    /// An image with the same data set.
    struct Match: Sendable {
        var digest: Digest
        /// Where the data set begins in its file.
        var offset: Int64
    }

    /// The end of what a file was compared with.
    struct Comparison: Sendable {
        /// The earliest image with the same data set.
        var match: Match?
        /// Images with a higher `instance.id` have come later.
        var last: Int64 = 0
    }

    /// Compares a file with the archived images. Reads nothing unless one has the same
    /// SOPInstanceUID.
    ///
    /// - Parameter last: `instance.id` up to which it was compared before.
    func compare(
        _ file: IngestFile, bytes: Int64, _ place: DataSetPlace, after last: Int64 = 0
    ) throws -> Comparison {
        let (versions, end) = try index.read { reader in
            (
                try reader.firstVersions(
                    sopInstanceUID: place.sopInstanceUID, after: last, limit: Self.most
                ).compactMap { try reader.copies(of: $0) }, try reader.lastRows().instance
            )
        }
        return Comparison(
            match: try first(of: versions, with: (file.descriptor, bytes, place)), last: end)
    }

    /// The first of some images that has the data set of an open file.
    func first(
        of versions: [ImageCopies],
        with file: (descriptor: Int32, bytes: Int64, place: DataSetPlace)
    ) throws -> Match? {
        let data = DataSet(file.descriptor, file.bytes, file.place)
        for version in versions {
            guard let digest = Digest(bytes: version.sha256) else { continue }
            for volume in version.volumes.compactMap({ volumes[$0] }) {
                // A copy that is bad or cannot be read decides nothing; the next may be good.
                guard let found = try? compare(data, with: version, digest, on: volume)
                else { continue }
                if found.isSame { return Match(digest: digest, offset: found.offset) }
                break
            }
        }
        return nil
    }

    /// - Returns: `nil` when the copy is bad.
    private func compare(
        _ data: DataSet, with version: ImageCopies, _ digest: Digest, on volume: Volume
    ) throws -> (isSame: Bool, offset: Int64)? {
        guard case .good(let number, _, _) = try checker.open(version, digest, on: volume) else {
            return nil
        }
        let blob = SharedDescriptor(owning: number)
        return try volume.onDisk { () throws(StorageError) in
            Result { () throws(ReadError) -> (Bool, Int64) in
                var reader = HeaderReader()
                let header = try reader.readUpToPixels(
                    FileDescriptorSource(descriptor: blob.number)
                ).header
                guard let place = DataSetPlace(header) else { return (false, 0) }
                return (
                    try data.equals(DataSet(blob.number, version.bytes, place)),
                    Int64(place.offset)
                )
            }
        }.get()
    }

    /// Whether two open files have the same data set.
    ///
    /// - Throws: `ReadError` when one of them cannot be read.
    static func isSame(
        _ one: (descriptor: Int32, bytes: Int64, place: DataSetPlace),
        _ other: (descriptor: Int32, bytes: Int64, place: DataSetPlace)
    ) throws -> Bool {
        guard one.place.sopInstanceUID == other.place.sopInstanceUID else { return false }
        return try DataSet(one.descriptor, one.bytes, one.place)
            .equals(DataSet(other.descriptor, other.bytes, other.place))
    }

    /// Files of a batch were looked at side by side: one may have the data set of another, or of an
    /// image that was archived meanwhile. The first of them counts as the image, and the others as
    /// its versions.
    func resolve(_ batch: [StagedIngest]) throws -> [StagedIngest] {
        var batch = batch
        var first: [String: [Int]] = [:]
        for index in batch.indices {
            guard case .new(let attributes, let flags, nil) = batch[index].kind,
                let place = batch[index].dataSet
            else { continue }
            let request = batch[index].request
            var same = try compare(
                request.file, bytes: request.bytes, place, after: batch[index].comparedThrough
            ).match?.digest
            for other in first[place.sopInstanceUID] ?? [] where same == nil {
                let earlier = batch[other]
                guard let otherPlace = earlier.dataSet else { continue }
                let isSame = try request.file.reading { descriptor throws(StorageError) in
                    Result {
                        try Self.isSame(
                            (descriptor, request.bytes, place),
                            (earlier.request.file.descriptor, earlier.request.bytes, otherPlace))
                    }
                }.get()
                if isSame { same = earlier.staged.digest }
            }
            if let same {
                let more = Int64(HeaderFlags.sameDataSet.rawValue)
                batch[index].kind = .new(attributes, flags: flags | more, same: same)
            } else if first[place.sopInstanceUID, default: []].count < Self.most {
                first[place.sopInstanceUID, default: []].append(index)
            }
        }
        return batch
    }
}

/// The part of an open file that is the data set.
private struct DataSet: Sendable {
    let source: FileDescriptorSource
    let offset: UInt64
    let transferSyntax: String?

    var bytes: UInt64 { source.size - min(offset, source.size) }

    init(_ descriptor: Int32, _ bytes: Int64, _ place: DataSetPlace) {
        source = FileDescriptorSource(descriptor: descriptor, size: UInt64(bytes))
        offset = place.offset
        transferSyntax = place.transferSyntax
    }

    /// - Throws: `ReadError` when one of them cannot be read.
    func equals(_ other: DataSet) throws(ReadError) -> Bool {
        guard transferSyntax == other.transferSyntax, bytes == other.bytes, bytes > 0 else {
            return false
        }
        let step = 1 << 18
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 2 * step, alignment: 16)
        defer { memory.deallocate() }
        var done: UInt64 = 0
        while done < bytes {
            let count = min(step, Int(bytes - done))
            let mine = UnsafeMutableRawBufferPointer(rebasing: memory[..<count])
            let theirs = UnsafeMutableRawBufferPointer(rebasing: memory[step..<step + count])
            guard try source.read(at: offset + done, into: mine) == count,
                try other.source.read(at: other.offset + done, into: theirs) == count,
                let first = mine.baseAddress, let second = theirs.baseAddress,
                memcmp(first, second, count) == 0
            else { return false }
            done += UInt64(count)
        }
        return true
    }
}
