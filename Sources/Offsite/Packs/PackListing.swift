import Storage

/// What is in a pack, read from its beginning alone: its sums name all blobs.
public enum PackListing {
    /// How many bytes of a pack hold its sums, by its first 512.
    ///
    /// - Throws: `corrupt` when this is no pack.
    public static func length(_ beginning: [UInt8], of name: String) throws(OffsiteError) -> Int64 {
        TarHeader.block + (try header(beginning, name)).bytes
    }

    /// The digests of its blobs, in order.
    ///
    /// - Parameter bytes: The first ``length(_:of:)`` bytes.
    /// - Throws: `corrupt` when they are not those of a pack.
    public static func digests(_ bytes: [UInt8], of name: String) throws(OffsiteError) -> [Digest] {
        let header = try header(Array(bytes.prefix(Int(TarHeader.block))), name)
        let sums = Array(bytes.dropFirst(Int(TarHeader.block)))
        let lines = sums.split(separator: 0x0A).map {
            Digest(hex: String(decoding: $0.prefix(64), as: UTF8.self))
        }
        let digests = lines.compactMap(\.self)
        guard header.name == "sums/\(Digest.of(sums).hex).sha256", digests.count == lines.count
        else { throw damaged(name, "its sums are not the ones that it was made with") }
        return digests
    }

    private static func header(
        _ block: [UInt8], _ name: String
    ) throws(OffsiteError) -> TarHeader {
        do throws(TarHeader.Fault) {
            guard let header = try TarHeader(block), header.bytes <= Pack.mostBytes else {
                throw TarHeader.Fault(reason: "it has no sums")
            }
            return header
        } catch {
            throw damaged(name, error.reason)
        }
    }

    private static func damaged(_ name: String, _ reason: String) -> OffsiteError {
        OffsiteError(
            .corrupt, "A pack is damaged: \(reason)", path: name,
            remedy: "Fetch it again; if that is no help, the remote has changed it.")
    }
}
