import Foundation
import Storage
import TagIndex

/// The outcome of reading `pacsfs.toml` again.
public struct ReloadSummary: Codable, Sendable {
    /// Settings that were changed and are in use now.
    public var changed: [String]
    /// Settings that were changed and need a restart of the daemon.
    public var waiting: [String]
    /// Notes on the volumes that the file names, where they are not those in use.
    public var notes: [String]
    /// The views; a view with the state `making` is made in the background.
    public var views: [ViewStatus]
}

extension Configuration {
    /// Reads `pacsfs.toml` again: see ``Archive/reload(keptOutside:)``.
    func reload(keptOutside mountpoint: String?) throws(ArchiveError) -> ReloadSummary {
        let new: Settings
        do { new = try Settings(file: ArchivePaths(core.path).configuration) } catch {
            var error = error
            error.message =
                "pacsfs.toml was not taken into use, and all is as it was. \(error.message)"
            core.log.error("\(error)")
            note(problem: "\(error)")
            throw error
        }
        note(problem: nil)
        let places = core.volumes.members.map(\.place)
        let (changed, waiting) = core.currentSettings.replace { settings in
            let old = settings
            settings.applyLive(from: new)
            return (
                Settings.live.differing(old, new),
                Settings.fixed.differing(old, new) + Self.volumes(places, new)
            )
        }
        if !changed.isEmpty {
            core.log.notice("Read pacsfs.toml again. Changed: \(changed.joined(separator: ", ")).")
        }
        if !waiting.isEmpty {
            core.log.warning(
                "\(waiting.joined(separator: ", ")) of pacsfs.toml needs a restart of the daemon.")
        }
        let notes = notes(onVolumesOf: new, keptOutside: mountpoint)
        for note in notes { core.log.warning("\(note)") }
        viewMaking.wake()
        let wanted = core.wantedViews
        return ReloadSummary(
            changed: changed, waiting: waiting, notes: notes,
            views: try ArchiveError.from {
                try core.index.read { try ViewStatus.list($0, wanted: wanted) }
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

    /// The settings that a running daemon applies.
    static var live: Comparison {
        Comparison(settings: [
            ("views", { $0.namesViews == $1.namesViews && $0.views == $1.views }),
            ("settle", { $0.settle == $1.settle }),
            ("ignore", { $0.ignored == $1.ignored }),
            ("ignore_case", { $0.ignoresCase == $1.ignoresCase }),
            ("removable", { $0.removable == $1.removable }),
            ("alert_command", { $0.alertCommand == $1.alertCommand }),
            ("ping_url", { $0.pingURL == $1.pingURL }),
            ("scrub", { $0.scrubDays == $1.scrubDays && $0.scrubRate == $1.scrubRate }),
            ("drill", { $0.drillDays == $1.drillDays && $0.drillBytes == $1.drillBytes }),
            ("offsite", { $0.remotes == $1.remotes }),
        ])
    }

    mutating func applyLive(from new: Settings) {
        (namesViews, views) = (new.namesViews, new.views)
        (settle, ignored, ignoresCase) = (new.settle, new.ignored, new.ignoresCase)
        removable = new.removable
        (alertCommand, pingURL) = (new.alertCommand, new.pingURL)
        (scrubDays, scrubRate) = (new.scrubDays, new.scrubRate)
        (drillDays, drillBytes) = (new.drillDays, new.drillBytes)
        remotes = new.remotes
    }

    /// The settings that only a start applies, besides volumes.
    static var fixed: Comparison {
        Comparison(settings: [
            ("copies", { $0.copies == $1.copies }),
            ("min_copies", { $0.leastCopies == $1.leastCopies }),
            ("readers", { $0.readers == $1.readers }), ("writers", { $0.writers == $1.writers }),
        ])
    }
}
