import Glibc

/// Reads the header of a DICOM file: the indexed attributes, and no more of the file than they
/// take.
///
/// ```
/// var reader = HeaderReader()
/// let header = try reader.read(FileDescriptorSource(descriptor: file))
/// print(header[.patientName] ?? "nobody")
/// ```
///
/// A reader keeps its buffers and character set converters for the next file, so one should
/// be used for many files, by one thread at a time.
///
/// Reading goes: preamble and `DICM`, if there; group 0002, if there, up to its last element,
/// whatever its group length says; a look at the first elements of the data set, which
/// overrules the transfer syntax; then the elements in their order. Wanted ones are decoded,
/// others skipped by their length, sequences of undefined length walked through. Reading
/// ends at the last wanted element, at PixelData, or where the bytes stop making sense.
public struct HeaderReader: ~Copyable {
    /// The most levels of sequences within sequences.
    public static let deepestNesting = 64

    /// The longest value of an attribute, in bytes; longer ones are cut off.
    static let longestValue = 65536
    /// After so many elements with no proper value representation, the rest is not trusted.
    static let mostUnusualElements = 1024

    var window = Window()
    var text = AttributeText()
    var decoder = TextDecoder()
    let layouts = VRLayouts()
    let wanted = WantedElements()

    var flags: HeaderFlags = []
    var isDirectory = false
    var pixelDataOffset: UInt64?
    var dataSetStart = 0
    var hasElements = false
    var unusualElements = 0
    /// The sequences that the element being read lies in.
    var path: [PathStep] = []
    /// The element being read.
    var current: Tag?
    /// What ``read(_:)`` has not read of the data set.
    var rest: Rest?
    /// Where the bytes ended while the header was read.
    var cut: CutOff?
    private var lastDeclared: [UInt8] = []
    private var lastDeclaration = CharacterSetDeclaration.none

    /// A reader with nothing read yet.
    public init() {
        path.reserveCapacity(Self.deepestNesting + 1)
    }

    /// Reads the header of one file.
    ///
    /// A header that is damaged after something identified the image or patient is returned
    /// as far as it goes, with the flag `truncated`.
    ///
    /// - Throws: `ReadError` when nothing usable was found, or with code `io` when the source
    ///   fails.
    @inlinable
    public mutating func read(_ source: some ByteSource) throws(ReadError) -> HeaderAttributes {
        try readAny(source)
    }

    @usableFromInline
    mutating func readAny(_ source: any ByteSource) throws(ReadError) -> HeaderAttributes {
        reset()
        window.open(source)
        defer { window.close() }
        do throws(Fault) {
            try readFile()
        } catch {
            try accept(error)
        }
        return HeaderAttributes(
            flags: flags, isMediaStorageDirectory: isDirectory, pixelDataOffset: pixelDataOffset,
            dataSetOffset: UInt64(dataSetStart), storage: text.makeStorage())
    }

    /// Makes do with what was read before a fault in the bytes, if that tells anything.
    private mutating func accept(_ fault: Fault) throws(ReadError) {
        switch fault {
        case .source(var error):
            error.tagPath = error.tagPath ?? tagPath
            throw error
        case .data(let code, let position):
            guard isIdentified || isDirectory, code != .notDICOM, code != .io else {
                throw ReadError(code, offset: window.fileOffset(position), tagPath: tagPath)
            }
            flags.insert(.truncated)
            // Bytes that are no element may be zeros, in place of what was not written.
            guard case .elements = rest, code != .badElement else { return }
            rest = nil
            if code == .truncatedDataSet || code == .badLength {
                cut = CutOff(tag: current, bytes: 0, length: nil)
            }
        }
    }

    private mutating func reset() {
        text.removeAll()
        decoder.declaration = .none
        flags = []
        isDirectory = false
        pixelDataOffset = nil
        dataSetStart = 0
        hasElements = false
        unusualElements = 0
        if !path.isEmpty { path.removeAll(keepingCapacity: true) }
        current = nil
        rest = nil
        cut = nil
    }

    private mutating func readFile() throws(Fault) {
        let have = try window.reach(0, 256)
        guard have > 0 else { throw .data(.empty, at: 0) }
        let start = skipPreamble(have)
        let dataSet = try readFileMetaInformation(from: start)
        dataSetStart = dataSet
        let hasMeta = dataSet > start
        if !hasMeta { flags.insert(.noFileMetaInformation) }
        guard try window.reach(dataSet, 8) >= 8 else {
            throw .data(hasMeta || start > 0 ? .noDataSet : .notDICOM, at: dataSet)
        }
        if hasMeta || start > 0 {
            let (encoding, position) = try declaredEncoding(of: dataSet)
            try readDataSet(from: position, encoding)
            return
        }
        guard let encoding = try bareEncoding(at: 0) else { throw .data(.notDICOM, at: 0) }
        do throws(Fault) {
            try readDataSet(from: 0, encoding)
        } catch {
            guard case .data(_, let position) = error, !isIdentified, !isDirectory else {
                throw error
            }
            throw .data(.notDICOM, at: position)
        }
        if !isIdentified && !isDirectory { throw .data(.notDICOM, at: 0) }
    }

    /// Finds `DICM`, after 128 bytes or, for want of these, at the start.
    ///
    /// - Returns: Where group 0002 or the data set should begin; 0 when there is no `DICM`.
    private mutating func skipPreamble(_ have: Int) -> Int {
        let bytes = window.bytes(0, have)
        if have >= 132, bytes.loadUnaligned(fromByteOffset: 128, as: UInt32.self) == Self.dicm {
            var nonzero: UInt64 = 0
            for index in 0..<16 {
                nonzero |= bytes.loadUnaligned(fromByteOffset: index * 8, as: UInt64.self)
            }
            let first = bytes.loadUnaligned(as: UInt32.self)
            if nonzero != 0, first != 0x002A_4949, first != 0x2A00_4D4D {
                flags.insert(.unusualPreamble)
            }
            return 132
        }
        flags.insert(.noPreamble)
        return have >= 4 && bytes.loadUnaligned(as: UInt32.self) == Self.dicm ? 4 : 0
    }

    /// The letters `DICM` as a little endian number.
    private static let dicm: UInt32 = 0x4D43_4944

    /// Whether anything tells what or whose the image is.
    var isIdentified: Bool {
        text.hasValue(.sopInstanceUID) || text.hasValue(.patientID) || text.hasValue(.patientName)
            || text.hasValue(.studyInstanceUID) || text.hasValue(.seriesInstanceUID)
            || text.hasValue(.sopClassUID) || text.hasValue(.modality)
    }

    /// Takes the value of (0008,0005) for the text that follows.
    mutating func declareCharacterSet(_ value: UnsafeRawBufferPointer) {
        if !lastDeclared.elementsEqual(value) || lastDeclared.isEmpty {
            lastDeclared = Array(value)
            lastDeclaration = CharacterSetDeclaration(value)
        }
        decoder.declaration = lastDeclaration
    }
}

// Nobody else holds the memory that a reader's buffers and converters point to, and it cannot
// be copied; the source of a file is let go before `read` returns. So it can move to another
// thread, and `mutating` keeps two threads from using it at once.
extension HeaderReader: @unchecked Sendable {}

/// What of a data set comes behind the header.
enum Rest {
    /// Elements from a place in the file on.
    case elements(from: Int, DataEncoding)
    /// A deflated data set, which begins there.
    case deflated(from: Int)
}

/// A sequence on the way to a nested element.
struct PathStep {
    var sequence: Tag
    var item: Int
}

extension HeaderReader {
    /// The element being read, with the sequences it lies in; `nil` before the first.
    private var tagPath: String? {
        guard let current else { return nil }
        return path.map { "\($0.sequence)[\(max(0, $0.item))]." }.joined() + current.description
    }
}
