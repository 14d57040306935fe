import Logging
import Offsite
import Storage
import System
import TagIndex

/// How far a check is.
public struct CheckProgress: Codable, Sendable, Hashable {
    /// Objects that were listed.
    public var listed: Int64 = 0
    /// Objects that were fetched and hashed, and their bytes.
    public var fetched: Int64 = 0
    public var bytes: Int64 = 0
    /// Bytes that are to be fetched; 0 when that is not known.
    public var totalBytes: Int64 = 0
}

/// The result of a check.
public struct RemoteCheckReport: Codable, Sendable {
    public struct Fault: Codable, Sendable, Hashable {
        /// The object's name before it is encrypted.
        public var object: String
        public var fault: ObjectFault
    }

    /// The remote's name.
    public var name: String
    /// Objects that the ledger says are there.
    public var objects: Int64 = 0
    /// Those whose size and hash are as recorded.
    public var goodByHash: Int64 = 0
    /// Those whose size is as recorded, where the server keeps no hash.
    public var goodBySize: Int64 = 0
    /// Objects that were fetched and have the right bytes.
    public var goodByFetch: Int64 = 0
    public var faults: [Fault] = []
    /// How many of these the server keeps as older versions.
    public var hidden: Int64 = 0
    /// How many of the newest objects are gone together.
    public var rolledBack: Int64 = 0
    /// Objects that nobody has recorded, and the names on the server of up to a thousand of them.
    public var unknown: Int64 = 0
    public var unknownObjects: [String] = []
}

/// Compares a remote with what was recorded: with one listing, and by fetching objects.
struct RemoteCheck {
    let core: ArchiveCore
    let remote: RemoteRecord
    let access: RemoteAccess
    let shouldStop: () -> Bool
    let show: (CheckProgress) -> Void

    private(set) var report: RemoteCheckReport
    private var progress = CheckProgress()

    init(
        core: ArchiveCore, remote: RemoteRecord, access: RemoteAccess,
        shouldStop: @escaping () -> Bool, show: @escaping (CheckProgress) -> Void
    ) {
        (self.core, self.remote, self.access) = (core, remote, access)
        (self.shouldStop, self.show) = (shouldStop, show)
        report = RemoteCheckReport(name: remote.name)
    }

    private func checkStop() throws {
        if shouldStop() {
            throw OffsiteError(
                .stopped, "The check was stopped", path: remote.name, remedy: "Run it again.")
        }
    }

    // MARK: The listing

    /// Compares the listing, and records the result.
    ///
    /// - Throws: Why it cannot be listed, or recorded.
    mutating func list() throws {
        let configuration = access.configuration
        let hash = remote.hash.map { HashKind($0) }
        var pins: [Pin] = []
        var names: [String: String] = [:]
        var corrupt: [RemoteCheckReport.Fault] = []
        var last: Int64 = 0
        try core.index.read { reader in
            try reader.objects(onRemote: remote.id) { object in
                let server = object.serverName ?? object.name
                names[server] = object.name
                pins.append(
                    Pin(
                        object: server, bytes: configuration.remoteBytes(of: object.bytes),
                        hash: hash.flatMap { kind in
                            object.hash.map { PinnedHash(kind: kind, hex: $0) }
                        }))
                // A listing does not show what only reading has found.
                if object.fault == ObjectFault.corrupt.rawValue {
                    corrupt.append(.init(object: object.name, fault: .corrupt))
                }
                last = max(last, object.recorded)
            }
        }
        let own = try Set(
            access.serverNames(of: [OffsiteLayout.marker]).values + [OffsiteLayout.readme])
        var comparison = PinComparison(pins)
        try access.list(hash: hash) { [show] object in
            progress.listed += 1
            if progress.listed % 1000 == 0 { show(progress) }
            if own.contains(object.name) || object.name.hasPrefix(OffsiteLayout.canaries + "/") {
                return
            }
            comparison.take(object)
        }
        let result = comparison.finish()
        report.objects = Int64(pins.count)
        report.goodByHash = Int64(result.good[.hash] ?? 0)
        report.goodBySize = Int64(result.good[.sizeOnly] ?? 0)
        (report.unknown, report.unknownObjects) = (Int64(result.unknownCount), result.unknown)
        report.rolledBack = Int64(result.rolledBack)
        let found = result.faults.map { pin, fault in
            RemoteCheckReport.Fault(
                object: names[pin.object] ?? pin.object, fault: ObjectFault(fault))
        }
        let missing = Set(found.map(\.object))
        report.faults = found + corrupt.filter { !missing.contains($0.object) }
        if !found.isEmpty, access.mayHaveVersions {
            let bad = Set(result.faults.map(\.pin.object))
            report.hidden = try hidden(
                pins.filter { bad.contains($0.object) }, hash, at: last)
        }
        try dropSuperseded()
        try record()
        show(progress)
    }

    /// How many objects were as they should be when the last one had been brought there. On a
    /// server that keeps versions they can be had again.
    private func hidden(
        _ pins: [Pin], _ hash: HashKind?, at last: Int64
    ) throws(OffsiteError) -> Int64 {
        var comparison = PinComparison(pins)
        // Its clock may differ from this one, and the times of versions have whole seconds.
        let time = Timestamp(nanoseconds: last + 1_000_000_000)
        do throws(OffsiteError) {
            try access.list(hash: hash, at: time) { comparison.take($0) }
        } catch {
            // A server without versions may refuse to list them.
            if error.code == .stopped { throw error }
            core.log.notice("Remote \"\(remote.name)\": versions cannot be listed: \(error)")
            return 0
        }
        return comparison.finish().good.values.reduce(0) { $0 + Int64($1) }
    }

    /// Pieces of the ledger whose records are in a later piece too are not missed.
    private mutating func dropSuperseded() throws {
        let bad = Set(report.faults.map(\.object))
        let tails = report.faults.filter { OffsiteLayout.records(ofTail: $0.object) != nil }
        guard !tails.isEmpty else { return }
        var whole: [ClosedRange<Int64>] = []
        try core.index.read { reader in
            var last: Int64 = 0
            try reader.objects(onRemote: remote.id) { object in
                guard let through = object.through else { return }
                let isGood = !bad.contains(object.name)
                if let range = OffsiteLayout.records(ofTail: object.name) {
                    if isGood { whole.append(range) }
                } else {
                    if isGood { whole.append(last + 1...max(last + 1, through)) }
                    last = through
                }
            }
        }
        report.faults.removeAll { fault in
            guard let range = OffsiteLayout.records(ofTail: fault.object) else { return false }
            return whole.contains {
                $0.lowerBound <= range.lowerBound && $0.upperBound >= range.upperBound
            }
        }
    }

    private func record() throws {
        let faults = report.faults.map {
            OffsiteCheckEvent.Fault(object: $0.object, fault: $0.fault)
        }
        var events: [LedgerEvent] = []
        let step = OffsiteCheckEvent.mostFaults
        for (part, start) in stride(from: 0, through: max(0, faults.count - 1), by: step)
            .enumerated()
        {
            var event = OffsiteCheckEvent(
                remote.name, objects: report.objects,
                good: report.goodByHash + report.goodBySize)
            event.faults = Array(faults[start..<min(start + step, faults.count)])
            event.rolledBack = report.rolledBack
            event.part = Int64(part) + 1
            events.append(.offsiteCheck(event))
        }
        // Each by itself: a batch of the ledger is bounded.
        for event in events { try core.catalogue.record([event]) }
    }

    // MARK: Fetching

    /// Fetches objects and hashes them, those first that were read longest ago, and records what
    /// was found.
    ///
    /// - Parameters:
    ///   - budget: How many bytes; `nil` for all objects.
    ///   - time: Objects that were read since then are left out, ns since 1970.
    /// - Throws: Why an object cannot be fetched although it may be there.
    mutating func fetch(budget: Int64?, before time: Int64) throws {
        progress.totalBytes = budget ?? 0
        while true {
            let objects = try core.index.read {
                try $0.leastProven(onRemote: remote.id, limit: 100)
            }.filter { $0.proven < time }
            if objects.isEmpty { return }
            var event = OffsiteProofEvent(remote.name, objects: [])
            defer { show(progress) }
            for object in objects {
                if let budget, progress.bytes > 0, progress.bytes + object.bytes > budget { break }
                do {
                    try checkStop()
                    if let fault = try fault(of: object) {
                        event.faults.append(.init(object: object.name, fault: fault))
                        report.faults.append(.init(object: object.name, fault: fault))
                    } else {
                        event.objects.append(object.name)
                        report.goodByFetch += 1
                    }
                } catch {
                    // What was read until then counts.
                    try record(event)
                    throw error
                }
                progress.fetched += 1
                progress.bytes += object.bytes
                show(progress)
            }
            try record(event)
            if event.objects.isEmpty && event.faults.isEmpty { return }
        }
    }

    private func record(_ event: OffsiteProofEvent) throws {
        if event.objects.isEmpty && event.faults.isEmpty { return }
        try core.catalogue.record([.offsiteProof(event)])
        for fault in event.faults {
            core.log.error(
                "Remote \"\(remote.name)\": \(fault.object) was fetched and is \(fault.fault).")
        }
    }

    /// What is wrong with an object, by its bytes; `nil` when nothing is.
    private func fault(of object: ObjectRecord) throws -> ObjectFault? {
        var digest = StreamingDigest()
        do throws(OffsiteError) {
            try access.fetch(object.name) { (bytes) throws(OffsiteError) in digest.update(bytes) }
        } catch {
            switch error.code {
            case .notFound: return .missing
            case .corrupt, .wrongKeys: return .corrupt
            case _ where access.isDecryptionFailure(error):
                // If the server cannot be reached, this says so.
                _ = try access.contents()
                return .corrupt
            default: throw error
            }
        }
        if digest.bytes < object.bytes { return .truncated }
        guard digest.bytes == object.bytes else { return .corrupt }
        let found = digest.finalize()
        guard let expected = try expectedDigest(of: object) else { return nil }
        return found == expected ? nil : .corrupt
    }

    /// `nil` when nobody knows.
    private func expectedDigest(of object: ObjectRecord) throws -> Digest? {
        let name = object.name
        if let digest = Pack.digest(ofBlobName: name) { return digest }
        let file = name.split(separator: "/").last ?? ""
        let folder = name.prefix { $0 != "/" }
        switch folder {
        case "packs": return Digest(hex: file.dropLast(4))
        case Substring(OffsiteLayout.configuration): return Digest(hex: file.dropLast(5).suffix(64))
        case Substring(OffsiteLayout.rejected):
            // The digest of a file with very many zeros is not that of its bytes.
            return object.bytes > Digest.mostHoles ? nil : Digest(hex: file)
        case Substring(OffsiteLayout.ledger): return try ledgerDigest(of: name)
        default: return nil
        }
    }

    /// The digest of the same records here.
    private func ledgerDigest(of name: String) throws -> Digest? {
        let ledger = core.catalogue.ledger
        guard let volume = ledger.volumes.first.flatMap({ core.volumes[$0] }) else { return nil }
        if OffsiteLayout.number(ofSegment: name) != nil {
            return Digest.of(try LedgerPiece(volume.path + "/" + name).bytes)
        }
        guard let records = OffsiteLayout.records(ofTail: name) else { return nil }
        // From the last segment back: tails are young.
        for segment in stride(from: core.catalogue.position.segment, through: 1, by: -1) {
            let path = volume.path + "/" + OffsiteLayout.segment(segment, site: ledger.site)
            let piece = try LedgerPiece(path)
            guard piece.records.lowerBound <= records.lowerBound else { continue }
            return piece.part(records).map { Digest.of($0) }
        }
        return nil
    }
}

extension LedgerPiece {
    /// The lines of some records; `nil` when not all are in it.
    func part(_ range: ClosedRange<Int64>) -> [UInt8]? {
        guard records.lowerBound <= range.lowerBound, records.upperBound >= range.upperBound else {
            return nil
        }
        let start = range.lowerBound == records.lowerBound ? self : after(range.lowerBound - 1)
        guard let start else { return nil }
        guard let rest = start.after(range.upperBound) else { return start.bytes }
        return Array(start.bytes.dropLast(rest.bytes.count))
    }
}
