/// Reads the header of a DICOM file: the indexed attributes, and no more of the file than they
/// need.
///
/// ```
/// var reader = HeaderReader()
/// let header = try reader.read(source)
/// print(header[.patientName] ?? "nobody")
/// ```
///
/// A reader keeps its buffers and character set converters for the next file. Use one reader
/// for many files, from one thread at a time.
///
/// The order of reading:
/// 1. the preamble and `DICM`, if present;
/// 2. group 0002, if present, up to its last element; its group length is not trusted;
/// 3. a look at the first elements of the data set, which overrules the transfer syntax;
/// 4. the elements in their order. Wanted ones are decoded, others are skipped by their length,
///    sequences of undefined length are walked through.
///
/// Reading ends at the last wanted element, at PixelData, or where the bytes stop making sense.
public struct HeaderReader: ~Copyable {
    /// The most levels of sequences within sequences.
    public static let deepestNesting = 64

    /// The longest value of an attribute, in bytes; longer ones are truncated.
    static let longestValue = 65536

    /// The bytes and the elements in them.
    var elements = ElementReader()
    /// The attributes read so far.
    var values = ValueDecoder()
    let wanted = WantedElements()

    var flags: HeaderFlags = []
    var isDirectory = false
    /// See ``HeaderAttributes/pixelDataOffset``.
    var pixelDataOffset: UInt64?
    /// Position of the data set in the file.
    private(set) var dataSetStart = 0
    /// The part of the data set that ``read(_:)`` did not read.
    var rest: UnreadRest?
    /// Where the bytes ended while the header was read.
    private(set) var truncation: Truncation?

    /// Creates a reader with empty buffers.
    public init() {}

    /// Reads the header of one file.
    ///
    /// A header that is damaged after something identified the image or the patient is returned
    /// as far as it goes, with the flag `truncated`.
    ///
    /// - Parameter source: The file; it is released before this returns.
    /// - Throws: ``ReadError``: nothing usable was found; with code `io`, the source failed.
    @inlinable
    public mutating func read(_ source: some ByteSource) throws(ReadError) -> HeaderAttributes {
        try readAny(source)
    }

    @usableFromInline
    mutating func readAny(_ source: any ByteSource) throws(ReadError) -> HeaderAttributes {
        reset()
        elements.open(source)
        defer { elements.buffer.close() }
        do throws(Fault) {
            try readFile()
        } catch {
            try accept(error)
        }
        return HeaderAttributes(
            flags: flags.union(values.flags), isMediaStorageDirectory: isDirectory,
            pixelDataOffset: pixelDataOffset, dataSetOffset: UInt64(dataSetStart),
            storage: values.text.makeStorage())
    }

    /// Accepts a fault in the bytes if enough was read before it; throws it otherwise.
    private mutating func accept(_ fault: Fault) throws(ReadError) {
        switch fault {
        case .source(var error):
            error.tagPath = error.tagPath ?? elements.tagPath
            throw error
        case .data(let code, let position):
            guard isIdentified || isDirectory, code != .notDICOM, code != .io else {
                throw ReadError(
                    code, offset: elements.buffer.fileOffset(position), tagPath: elements.tagPath)
            }
            flags.insert(.truncated)
            // Bytes that are not an element may be zeros in place of what was not written.
            guard case .elements = rest, code != .badElement else { return }
            rest = nil
            if code == .truncatedDataSet, elements.path.isEmpty,
                (try? elements.isTrailer(position)) == true
            {
                elements.hasUnusualEnd = true
            } else if code == .truncatedDataSet || code == .badLength {
                truncation = Truncation(tag: elements.current, bytes: 0, length: nil)
            }
        }
    }

    private mutating func reset() {
        values.reset()
        flags = []
        isDirectory = false
        pixelDataOffset = nil
        dataSetStart = 0
        rest = nil
        truncation = nil
    }

    private mutating func readFile() throws(Fault) {
        let have = try elements.buffer.reach(0, 256)
        guard have > 0 else { throw .data(.empty, at: 0) }
        let start = skipPreamble(have)
        let meta = try readFileMetaInformation(from: start)
        isDirectory = meta.isDirectory
        dataSetStart = meta.dataSet
        let hasMeta = dataSetStart > start
        if !hasMeta { flags.insert(.noFileMetaInformation) }
        guard try elements.buffer.reach(dataSetStart, 8) >= 8 else {
            throw .data(hasMeta || start > 0 ? .noDataSet : .notDICOM, at: dataSetStart)
        }
        if hasMeta || start > 0 {
            let (encoding, position) = try declaredEncoding(of: dataSetStart)
            try readDataSet(from: position, encoding)
        } else {
            try readBareDataSet()
        }
    }

    /// Reads a file that begins with its data set. Only if that identifies an image is it DICOM.
    private mutating func readBareDataSet() throws(Fault) {
        guard let encoding = try elements.detectEncoding(at: 0) else {
            throw .data(.notDICOM, at: 0)
        }
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

    /// Finds `DICM`, after 128 bytes or, if these are missing, at the start.
    ///
    /// - Returns: The position where group 0002 or the data set should begin; 0 when there is no
    ///   `DICM`.
    private mutating func skipPreamble(_ have: Int) -> Int {
        let bytes = elements.buffer.bytes(0, have)
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

    /// Determines the encoding of a data set after group 0002 or `DICM`, and starts inflating a
    /// deflated one.
    ///
    /// - Returns: The encoding, and the position of the data set in the buffer.
    private mutating func declaredEncoding(
        of dataSet: Int
    ) throws(Fault) -> (DataEncoding, position: Int) {
        switch values.text.withText(.transferSyntaxUID, { TransferSyntax(uid: $0) }) {
        case .known(let declared):
            return (try foundEncoding(at: dataSet, declared: declared), dataSet)
        case .unknown:
            return (try elements.detectEncoding(at: dataSet) ?? .explicitLittleEndian, dataSet)
        case .deflated:
            if let found = try elements.detectEncoding(at: dataSet) {
                flags.insert(.wrongTransferSyntax)
                return (found, dataSet)
            }
            try elements.buffer.inflate(from: dataSet)
            guard try elements.buffer.reach(0, 8) >= 8 else { throw .data(.deflateCorrupt, at: 0) }
            return (try foundEncoding(at: 0, declared: .explicitLittleEndian), 0)
        }
    }

    /// The declared encoding, unless the bytes are clearly in another.
    private mutating func foundEncoding(
        at position: Int, declared: DataEncoding
    ) throws(Fault) -> DataEncoding {
        if elements.fits(declared, at: position) { return declared }
        guard let found = try elements.detectEncoding(at: position), found != declared else {
            return declared
        }
        flags.insert(.wrongTransferSyntax)
        return found
    }

    /// Whether an attribute says which image this is, or whose.
    private var isIdentified: Bool {
        values.has(.sopInstanceUID) || values.has(.patientID) || values.has(.patientName)
            || values.has(.studyInstanceUID) || values.has(.seriesInstanceUID)
            || values.has(.sopClassUID) || values.has(.modality)
    }

    /// Brings the value of an element into the buffer.
    ///
    /// - Returns: Its bytes, at most ``longestValue``; good until the next read.
    @inline(__always)
    mutating func value(of element: Element) throws(Fault) -> UnsafeRawBufferPointer {
        var length = element.length
        if length > Self.longestValue {
            length = Self.longestValue
            values.noteInvalid()
        }
        if !elements.buffer.holds(element.value, length) {
            guard try elements.buffer.reach(element.value, length) >= length else {
                throw .data(.badLength, at: element.value)
            }
        }
        return UnsafeRawBufferPointer(start: elements.buffer.pointer(element.value), count: length)
    }
}

// A reader cannot be copied, and nothing else holds the memory its buffers and converters point
// to; it releases the source before `read` returns. So it can move to another thread, and
// `mutating` keeps two threads from using it at once.
extension HeaderReader: @unchecked Sendable {}

/// The part of a data set after what was read of it.
enum UnreadRest {
    /// Elements from a position in the file on.
    case elements(from: Int, DataEncoding)
    /// A deflated data set, which begins at a position in the file.
    case deflated(from: Int)
}
