import Storage
import System

/// In which file the bytes of an image were found good, and when.
public struct VerifiedBlob: Sendable {
    /// `instance.id`.
    public let instance: Int64
    let digest: Digest
    let volume: Volume
    let stamp: BlobStamp
    /// When its bytes were read, ns of the archive's clock.
    let checked: Int64

    /// Whether both are the same file, unchanged.
    public func isSameFile(as other: VerifiedBlob) -> Bool {
        volume === other.volume && stamp == other.stamp
    }

    /// The ordinal of the volume it is on.
    public var volumeOrdinal: Int { volume.identity.ordinal }
}

/// The blobs that were found good lately: at most 65,536. Those that nobody asked for longest
/// are forgotten first.
final class VerifiedBlobs: Sendable {
    private struct Generations {
        var young: [Int64: VerifiedBlob] = [:]
        var old: [Int64: VerifiedBlob] = [:]

        mutating func put(_ blob: VerifiedBlob) {
            young[blob.instance] = blob
            guard young.count >= VerifiedBlobs.generation else { return }
            (old, young) = (young, [:])
        }
    }

    private let generations = Lock(Generations())
    private static let generation = 32_768

    /// - Parameter instance: `instance.id`.
    subscript(instance: Int64) -> VerifiedBlob? {
        generations.withLock { generations in
            if let blob = generations.young[instance] { return blob }
            guard let blob = generations.old[instance] else { return nil }
            generations.put(blob)
            return blob
        }
    }

    func put(_ blob: VerifiedBlob) { generations.withLock { $0.put(blob) } }

    /// A volume stays open as long as one of its blobs is known here.
    func forget(_ volume: Volume) {
        generations.withLock { generations in
            generations.young = generations.young.filter { $0.value.volume !== volume }
            generations.old = generations.old.filter { $0.value.volume !== volume }
        }
    }

    /// - Parameter instance: `instance.id`.
    func forget(_ instance: Int64) {
        generations.withLock {
            $0.young[instance] = nil
            $0.old[instance] = nil
        }
    }
}
