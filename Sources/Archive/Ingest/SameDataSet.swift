import DICOM
import Glibc
import Storage
import System
import TagIndex

// When a device sends an image again, or a program writes it to a disc, the file often has the same
// data set with another file header: the implementation UIDs and AE titles of group 0002 are those
// of the program that wrote the file (PS3.10 section 7.1). Such a file is another version by its
// bytes, and the same image by its content.

extension IngestStage {
    /// At most this many versions of an image are compared: some devices give all images the same
    /// UID.
    private static let comparedVersions = 8

    /// Finds the earliest image that differs from the file only in its preamble and group 0002: the
    /// transfer syntax and every byte of the data set are the same. Reads nothing unless an image
    /// has the same SOPInstanceUID.
    ///
    /// - Returns: Its digest.
    func imageWithSameDataSet(as header: HeaderAttributes, in request: IngestRequest) throws
        -> Digest?
    {
        guard let uid = header[.sopInstanceUID], !uid.isEmpty else { return nil }
        let versions = try index.read { reader in
            try reader.instances(sopInstanceUID: uid, limit: Self.comparedVersions)
                .compactMap { try reader.copies(of: $0) }
        }
        if versions.isEmpty { return nil }
        let file = DataSet(
            FileDescriptorSource(descriptor: request.file.descriptor, size: UInt64(request.bytes)),
            header)
        for version in versions {
            guard let digest = Digest(bytes: version.sha256) else { continue }
            for volume in version.volumes.compactMap({ volumes[$0] }) {
                // A copy that is bad or cannot be read decides nothing; the next may be good.
                guard let isSame = try? compare(file, with: version, digest, on: volume)
                else { continue }
                if isSame { return digest }
                break
            }
        }
        return nil
    }

    /// - Returns: `nil` when the copy is bad.
    private func compare(
        _ file: DataSet, with version: ImageCopies, _ digest: Digest, on volume: Volume
    ) throws -> Bool? {
        guard case .good(let number, _, _) = try checker.open(version, digest, on: volume) else {
            return nil
        }
        let blob = Descriptor(owning: number)
        let source = FileDescriptorSource(
            descriptor: blob.number, size: UInt64(version.bytes))
        var reader = HeaderReader()
        return try file.equals(DataSet(source, try reader.read(source)))
    }
}

/// The part of an open file that is the data set.
private struct DataSet {
    let source: FileDescriptorSource
    let offset: UInt64
    let transferSyntax: String?

    var bytes: UInt64 { source.size - min(offset, source.size) }

    init(_ source: FileDescriptorSource, _ header: HeaderAttributes) {
        self.source = source
        offset = header.dataSetOffset
        transferSyntax = header[.transferSyntaxUID]
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
