import JSON

extension JSONWriter {
    /// Appends a digest as 64 digits in quotes.
    mutating func write(_ digest: Digest) {
        raw("\"")
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 64) { buffer in
            _ = digest.writeHex(to: buffer)
            raw(buffer)
        }
        raw("\"")
    }

    /// Appends a time as ``Timestamp/description`` has it, in quotes.
    mutating func write(_ time: Timestamp) {
        raw("\"")
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: Timestamp.textBytes) { buffer in
            _ = time.write(to: buffer)
            raw(buffer)
        }
        raw("\"")
    }
}
