import Naming
import TagIndex

/// A view and its progress.
public struct ViewStatus: Codable, Sendable, Equatable {
    public enum State: String, Codable, Sendable, CaseIterable {
        case shown
        /// `pacsfs.toml` asks for it, and not all series are in it yet.
        case making
        /// It was shown once, and keeps its paths for when it is shown again.
        case dropped
    }

    public var name: String
    public var template: String
    public var state: State
    /// The number of folders on its first level.
    public var folders: Int
    /// The number of series that are in it, and of all series; equal for a view that is shown.
    public var series: Int64
    public var totalSeries: Int64

    /// The views that are shown, those that are wanted and not shown yet, and those that were
    /// shown once.
    ///
    /// - Parameter wanted: The views that `pacsfs.toml` asks for.
    /// - Throws: The errors of the index.
    public static func list(_ reader: IndexReader, wanted: [View]) throws -> [ViewStatus] {
        let known = try reader.knownViews()
        let last = try reader.lastSeries()
        let new = wanted.filter { view in !known.contains { $0.view == view } }
        let list =
            try known.map { known in
                ViewStatus(
                    name: known.view.name, template: known.view.template.description,
                    state: known.isShown
                        ? .shown : wanted.contains(known.view) ? .making : .dropped,
                    folders: try reader.count(in: known.node),
                    series: known.isShown ? last : known.made, totalSeries: last)
            }
            + new.map {
                ViewStatus(
                    name: $0.name, template: $0.template.description, state: .making, folders: 0,
                    series: 0, totalSeries: last)
            }
        let states: [State] = [.shown, .making, .dropped]
        return states.flatMap { state in list.filter { $0.state == state } }
    }
}

extension ArchiveCore {
    /// The views that are to be shown: those of `pacsfs.toml`, or the present ones when that
    /// names none.
    var wantedViews: [View] {
        let settings = settings
        return settings.namesViews ? settings.views : catalogue.views
    }
}
