import Naming
import Storage
import TagIndex

// Change of the views that are shown.
//
// A view is what its name and its template say. One that is not shown keeps its directories, and
// one that is to be shown first gets all series that it lacks, some at a time, the oldest first:
//
//   paths      a batch of series has its place in the view, which nobody sees yet
//   …
//   views      all have; from this record on, and in one transaction, these views are shown
//
// A crash in between leaves a view that is not whole and not shown; the next start goes on with
// the first series that it lacks. Paths and numbers of views that stay do not change, and one
// that comes back has those that it had.
extension Catalogue {
    /// Series that are looked at in one step: other changes wait for it, for some milliseconds.
    static let seriesInStep = 250

    /// What came of one step.
    enum ViewStep {
        case underWay
        /// They are shown. The names of the views that are not there any more, or show something else.
        case shown(gone: [String])
    }

    /// Brings the archive one step nearer to showing these views.
    ///
    /// - parameter limit: series that are looked at
    /// - throws: ``ArchiveError`` when the ledger cannot be written on enough volumes
    func makeStep(to wanted: [View], atMost limit: Int = seriesInStep) throws -> ViewStep {
        try appending { writer, entries in
            let shown = try writer.reader.views()
            let last = try writer.reader.lastSeries()
            var left = limit
            for view in wanted where !shown.contains(view) {
                let made = try writer.reader.knownViews().first { $0.view == view }?.made ?? 0
                guard made < last else { continue }
                guard left > 0,
                    let record = try writer.addPaths(in: view, atMost: left, time: nextTime())
                else { return .underWay }
                entries.append(record.entry(by: actor))
                left -= Int(record.through - made)
                if record.through < last { return .underWay }
            }
            let views = entry(kind: "views", View.record(wanted))
            try apply(views, with: writer)
            entries.append(views)
            return .shown(gone: shown.filter { !wanted.contains($0) }.map(\.name))
        }.result
    }
}
