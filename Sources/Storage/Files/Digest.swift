import Crypto
import Glibc
import System

/// The SHA-256 of a file's bytes: the name of a blob, and the proof of its content.
public struct Digest: Hashable, Sendable, Comparable, CustomStringConvertible {
    // The 32 bytes as four big-endian words, so that comparing words compares hex texts.
    private let words: (UInt64, UInt64, UInt64, UInt64)

    /// 32 zero bytes: the digest before the first record of a ledger.
    public static let zero = Digest(words: (0, 0, 0, 0))

    private init(words: (UInt64, UInt64, UInt64, UInt64)) { self.words = words }

    /// Takes the 32 bytes of a digest; `nil` when there are not 32.
    public init?(bytes: UnsafeRawBufferPointer) {
        guard bytes.count == 32 else { return nil }
        func word(_ index: Int) -> UInt64 {
            UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: index * 8, as: UInt64.self))
        }
        words = (word(0), word(1), word(2), word(3))
    }

    /// Takes the 32 bytes of a digest, as a database column holds them.
    public init?(bytes: some Collection<UInt8>) {
        guard let digest = [UInt8](bytes).withUnsafeBytes({ Digest(bytes: $0) }) else { return nil }
        self = digest
    }

    /// Reads 64 hexadecimal digits, in lower or upper case; `nil` for anything else.
    public init?(hex: some StringProtocol) {
        let digits = Array(hex.utf8)
        guard let digest = digits.withUnsafeBytes({ Digest(hexDigits: $0) }) else { return nil }
        self = digest
    }

    /// Reads 64 hexadecimal digits from ASCII bytes; `nil` for anything else.
    init?(hexDigits digits: UnsafeRawBufferPointer) {
        guard digits.count == 64 else { return nil }
        // Without branches: a rebuild reads one for each record.
        var isHex = true
        func word(_ start: Int) -> UInt64 {
            var word: UInt64 = 0
            for index in start..<start + 16 {
                let digit = digits[index]
                let isDecimal = digit &- UInt8(ascii: "0") < 10
                let isLetter = (digit | 0x20) &- UInt8(ascii: "a") < 6
                isHex = isHex && (isDecimal != isLetter)
                word = word << 4 | UInt64(digit & 15 &+ (isLetter ? 9 : 0))
            }
            return word
        }
        let words = (word(0), word(16), word(32), word(48))
        guard isHex else { return nil }
        self.words = words
    }

    init(_ digest: SHA256.Digest) {
        words = digest.withUnsafeBytes { bytes in
            func word(_ index: Int) -> UInt64 {
                UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: index * 8, as: UInt64.self))
            }
            return (word(0), word(1), word(2), word(3))
        }
    }

    /// The 32 bytes.
    public var bytes: [UInt8] {
        [UInt8](unsafeUninitializedCapacity: 32) { buffer, count in
            let bigEndian = (
                words.0.bigEndian, words.1.bigEndian, words.2.bigEndian, words.3.bigEndian
            )
            withUnsafeBytes(of: bigEndian) {
                UnsafeMutableRawBufferPointer(buffer).copyMemory(from: $0)
            }
            count = 32
        }
    }

    /// 64 lower-case hexadecimal digits, as `sha256sum` prints them.
    public var hex: String {
        String(unsafeUninitializedCapacity: 64) { writeHex(to: $0) }
    }

    /// Writes the 64 digits into `buffer`, which has room for them; returns 64.
    func writeHex(to buffer: UnsafeMutableBufferPointer<UInt8>) -> Int {
        var index = 0
        for word in [words.0, words.1, words.2, words.3] {
            for shift in stride(from: 60, through: 0, by: -4) {
                let value = UInt8(truncatingIfNeeded: word >> UInt64(shift)) & 15
                buffer[index] =
                    value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") - 10 + value
                index += 1
            }
        }
        return 64
    }

    /// The value of the first four digits.
    var firstTwoBytes: UInt16 { UInt16(words.0 >> 48) }

    public var description: String { hex }

    public static func == (one: Digest, other: Digest) -> Bool { one.words == other.words }

    public static func < (one: Digest, other: Digest) -> Bool { one.words < other.words }

    /// One word of a digest is as well spread as all four.
    public func hash(into hasher: inout Hasher) { hasher.combine(words.0) }

    /// The digest of bytes in memory.
    public static func of(_ bytes: UnsafeRawBufferPointer) -> Digest {
        var hash = SHA256()
        hash.update(bufferPointer: bytes)
        return Digest(hash.finalize())
    }

    /// The digest of bytes in memory.
    public static func of(_ bytes: [UInt8]) -> Digest {
        bytes.withUnsafeBytes { of($0) }
    }

    /// The digest of the first `bytes` bytes of an open file, which need not stand at its start.
    /// Holes are not read.
    ///
    /// - Parameter path: The file's name, for error messages.
    /// - Throws: `io` when it cannot be read, `corrupt` when it is shorter.
    public static func of(
        descriptor: Int32, bytes: Int64, path: String
    ) throws(StorageError) -> Digest {
        var hash = StreamingDigest()
        try hash.read(descriptor, bytes: bytes, path: path, isWanted: { true })
        return hash.finalize()
    }

    /// The same, for as long as somebody wants it.
    ///
    /// - Parameter isWanted: Asked after each piece.
    /// - Returns: `nil` when it is not wanted any more.
    /// - Throws: `io` when it cannot be read, `corrupt` when it is shorter.
    public static func of(
        descriptor: Int32, bytes: Int64, path: String, isWanted: () -> Bool
    ) throws(StorageError) -> Digest? {
        var hash = StreamingDigest()
        try hash.read(descriptor, bytes: bytes, path: path, isWanted: isWanted)
        return hash.bytes == bytes ? hash.finalize() : nil
    }
}

extension StreamingDigest {
    /// Takes the bytes of a file, until `isWanted` says no.
    fileprivate mutating func read(
        _ descriptor: Int32, bytes: Int64, path: String, isWanted: () -> Bool
    ) throws(StorageError) {
        try FileIO.forEachPiece(of: descriptor, bytes: bytes, path: path) { piece in
            switch piece {
            case .data(let data, _): update(data)
            case .hole(let hole): Zeros.forEach(in: hole) { update($0) }
            }
            return isWanted()
        }
    }
}

/// A SHA-256 that is computed piece by piece, while a client writes a file from front to back.
public struct StreamingDigest: Sendable {
    private var hash = SHA256()
    /// The number of bytes so far: the offset at which the next piece must start.
    public private(set) var bytes: Int64 = 0

    public init() {}

    /// Takes the next piece.
    public mutating func update(_ piece: UnsafeRawBufferPointer) {
        hash.update(bufferPointer: piece)
        bytes += Int64(piece.count)
    }

    /// The digest of all pieces so far; more may follow.
    public func finalize() -> Digest { Digest(hash.finalize()) }
}
