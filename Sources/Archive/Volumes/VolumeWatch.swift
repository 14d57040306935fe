import Foundation
import Logging
import Storage
import System

/// Watches the volumes while the archive is open: notices volumes that disappear, and uses volumes
/// that are back.
final class VolumeWatch: Sendable {
    private let isStopped = Lock(false)
    /// Volumes whose disks are being asked; one that hangs must not hold up the others.
    private let asked = Lock<Set<String>>([])
    /// Those that could be written to at the last look.
    private let writable = Lock<Set<Int>>([])
    /// Between two looks, seconds.
    private static let pause = 2.0

    func stop() { isStopped.withLock { $0 = true } }

    /// Runs until ``stop()``; on a thread of its own.
    func run(_ archive: Archive) {
        var next = Date()
        while !isStopped.withLock({ $0 }) {
            Thread.sleep(forTimeInterval: 0.1)
            guard Date() >= next else { continue }
            look(archive)
            next = Date() + Self.pause
        }
    }

    /// One look at all volumes.
    func look(_ archive: Archive) {
        let volumes = archive.volumes
        volumes.check()
        for member in volumes.members {
            if let volume = member.volume {
                ask(member.place.path) { volumes.probe(volume) }
            } else {
                takeUp(member, archive)
            }
        }
        archive.catalogue.admitDropped()
        let now = Set(volumes.writable.map(\.identity.ordinal))
        let before = writable.withLock { writable in
            defer { writable = now }
            return writable
        }
        if !now.isSubset(of: before) { archive.resilver.wake() }
    }

    private func ask(_ path: String, _ question: @escaping @Sendable () -> Void) {
        guard asked.withLock({ $0.insert(path).inserted }) else { return }
        Thread.detachNewThread { [self] in
            question()
            asked.withLock { _ = $0.remove(path) }
        }
    }

    private func takeUp(_ member: VolumeSet.Member, _ archive: Archive) {
        let path = member.place.path
        do {
            let volume = try archive.volumes.open(at: path)
            try archive.takeUp(volume)
            archive.log.notice("The volume \(path) is there again.")
        } catch {
            if archive.volumes.note("\(error)", at: path) {
                archive.log.warning("The volume \(path) is absent: \(error)")
            }
        }
    }
}
