import Foundation
import Storage
import TagIndex

/// What came of reading `pacsfs.toml` again.
public struct ReloadSummary: Codable, Sendable {
    /// Settings that were changed and are in use now.
    public var changed: [String]
    /// Settings that were changed and need a restart of the daemon.
    public var waiting: [String]
    /// What somebody should know of volumes that the file has, and that are not those in use.
    public var notes: [String]
    /// The views; those with the state `making` are made in the background.
    public var views: [ViewStatus]
}

extension Archive {
    /// Reads `pacsfs.toml` again. Views, `settle`, `ignore`, `ignore_case` and `[scrub]` are in
    /// use at once.
    ///
    /// - parameter mountpoint: where the archive is shown; the daemon does not look into that
    /// - throws: ``ArchiveError`` that names the mistake and its place; everything is as it was then
    public func reload(keptOutside mountpoint: String? = nil) throws(ArchiveError) -> ReloadSummary
    {
        let new: Settings
        do { new = try Settings(file: path + "/" + Self.configurationName) } catch {
            let message =
                "pacsfs.toml was not taken into use, and all is as it was. \(error.message)"
            log.error("\(message)")
            configurationProblem.withLock { $0 = message }
            throw ArchiveError(error.code, message, at: error.place)
        }
        configurationProblem.withLock { $0 = nil }
        let places = volumes.members.map(\.place)
        let (changed, waiting) = replaceSettings { settings in
            let old = settings
            settings.takeLive(from: new)
            return (
                Settings.live.differing(old, new),
                Settings.fixed.differing(old, new) + Self.volumes(places, new)
            )
        }
        if !changed.isEmpty {
            log.notice("Read pacsfs.toml again. Changed: \(changed.joined(separator: ", ")).")
        }
        if !waiting.isEmpty {
            log.warning(
                "\(waiting.joined(separator: ", ")) of pacsfs.toml needs a restart of the daemon.")
        }
        let notes = notes(onVolumesOf: new, keptOutside: mountpoint)
        for note in notes { log.warning("\(note)") }
        views.wake()
        let wanted = wantedViews
        return ReloadSummary(
            changed: changed, waiting: waiting, notes: notes,
            views: try ArchiveError.from {
                try index.read { try ViewStatus.list($0, wanted: wanted) }
            })
    }

    /// Volumes are added and taken out by commands, which write the file themselves.
    private static func volumes(_ places: [Settings.VolumePlace], _ new: Settings) -> [String] {
        let key = { (place: Settings.VolumePlace) in place.path + "\u{1F}" + place.domain }
        return places.map(key).sorted() == new.volumes.map(key).sorted() ? [] : ["volume"]
    }
}

extension Settings {
    /// Settings by the name that they have in `pacsfs.toml`, and whether two of them are the same.
    struct Comparison {
        var settings: [(name: String, isSame: (Settings, Settings) -> Bool)]

        func differing(_ old: Settings, _ new: Settings) -> [String] {
            settings.filter { !$0.isSame(old, new) }.map(\.name)
        }
    }

    /// What a running daemon takes over.
    static var live: Comparison {
        Comparison(settings: [
            ("views", { $0.namesViews == $1.namesViews && $0.views == $1.views }),
            ("settle", { $0.settle == $1.settle }),
            ("ignore", { $0.ignored == $1.ignored }),
            ("ignore_case", { $0.ignoresCase == $1.ignoresCase }),
            ("scrub", { $0.scrubDays == $1.scrubDays && $0.scrubRate == $1.scrubRate }),
        ])
    }

    mutating func takeLive(from new: Settings) {
        (namesViews, views) = (new.namesViews, new.views)
        (settle, ignored, ignoresCase) = (new.settle, new.ignored, new.ignoresCase)
        (scrubDays, scrubRate) = (new.scrubDays, new.scrubRate)
    }

    /// What only a start takes over, besides volumes.
    static var fixed: Comparison {
        Comparison(settings: [
            ("copies", { $0.copies == $1.copies }),
            ("min_copies", { $0.leastCopies == $1.leastCopies }),
            ("readers", { $0.readers == $1.readers }), ("writers", { $0.writers == $1.writers }),
        ])
    }
}
