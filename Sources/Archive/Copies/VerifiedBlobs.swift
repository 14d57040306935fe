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
    /// Whether the file may change without getting another stamp: it had just changed when the
    /// stamp was taken, and the file system's clock ticks.
    let isAmbiguous: Bool

    /// Of an open file, before its bytes are read.
    init(
        instance: Int64, digest: Digest, volume: Volume, stamp: BlobStamp, checked: Int64
    ) {
        (self.instance, self.digest, self.volume) = (instance, digest, volume)
        (self.stamp, self.checked) = (stamp, checked)
        isAmbiguous = stamp.isAmbiguous(at: SystemClock().utc)
    }

    /// Whether both are the same file, unchanged.
    public func isSameFile(as other: VerifiedBlob) -> Bool {
        volume === other.volume && stamp == other.stamp
    }

    /// The calls on the disk it is on.
    public var disk: DiskCalls? { volume.calls }

    /// The ordinal of the volume it is on.
    public var volumeOrdinal: Int { volume.identity.ordinal }
}

/// The blobs that were found good lately, on each volume: those of 65,536 images at most. Those
/// that nobody asked for longest are forgotten first.
final class VerifiedBlobs: Sendable {
    private struct Generations {
        /// The blobs of an image, one for each volume: the one that readers get first.
        var young: [Int64: [VerifiedBlob]] = [:]
        var old: [Int64: [VerifiedBlob]] = [:]

        mutating func blobs(of instance: Int64) -> [VerifiedBlob] {
            if let blobs = young[instance] { return blobs }
            guard let blobs = old[instance] else { return [] }
            put(blobs, instance)
            return blobs
        }

        mutating func put(_ blobs: [VerifiedBlob], _ instance: Int64) {
            young[instance] = blobs
            guard young.count >= VerifiedBlobs.generation else { return }
            (old, young) = (young, [:])
        }

        mutating func keep(_ isKept: (VerifiedBlob) -> Bool) {
            for instance in Array(young.keys) { keep(isKept, of: instance) }
            for instance in Array(old.keys) where young[instance] == nil {
                keep(isKept, of: instance)
            }
        }

        mutating func keep(_ isKept: (VerifiedBlob) -> Bool, of instance: Int64) {
            let kept = (young[instance] ?? old[instance] ?? []).filter(isKept)
            if young[instance] == nil {
                old[instance] = kept.isEmpty ? nil : kept
            } else {
                young[instance] = kept.isEmpty ? nil : kept
                old[instance] = nil
            }
        }
    }

    private let generations = Lock(Generations())
    private static let generation = 32_768

    /// The blob that readers of an image get.
    ///
    /// - Parameter instance: `instance.id`.
    subscript(instance: Int64) -> VerifiedBlob? {
        generations.withLock { $0.blobs(of: instance).first }
    }

    /// - Parameter instance: `instance.id`.
    subscript(instance: Int64, on volume: Volume) -> VerifiedBlob? {
        generations.withLock { $0.blobs(of: instance).first { $0.volume === volume } }
    }

    /// - Parameter isReading: Whether readers get this one from now on.
    func put(_ blob: VerifiedBlob, isReading: Bool) {
        generations.withLock { generations in
            var blobs = generations.blobs(of: blob.instance)
            if let place = blobs.firstIndex(where: { $0.volume === blob.volume }) {
                blobs[place] = blob
                if isReading { blobs.swapAt(0, place) }
            } else {
                blobs.insert(blob, at: isReading ? 0 : blobs.count)
            }
            generations.put(blobs, blob.instance)
        }
    }

    /// A volume stays open as long as one of its blobs is known here.
    func forget(_ volume: Volume) {
        generations.withLock { $0.keep { $0.volume !== volume } }
    }

    /// - Parameter instance: `instance.id`.
    func forget(_ instance: Int64) {
        generations.withLock { $0.keep({ _ in false }, of: instance) }
    }

    /// - Parameter instance: `instance.id`.
    func forget(_ instance: Int64, on volume: Volume) {
        generations.withLock { $0.keep({ $0.volume !== volume }, of: instance) }
    }
}
