import Naming
import Storage
import TagIndex

// A change of the views that are shown.
//
// A view is its name and its template. A view that is not shown keeps its directories. A view that
// is to be shown first gets all series that it lacks, some at a time, the oldest first:
//
//   paths      the places of a batch of series in the view, which is not shown yet
//   …
//   views      all series have one; from this record on, and in one transaction, it is shown
//
// After a crash in between the view is incomplete and not shown; the next start continues with the
// first series that it lacks. Paths and inode numbers of views that stay do not change, and a view
// that comes back has those that it had.
extension Catalogue {
    /// How many series are looked at in one step, for which other changes wait some milliseconds.
    static let seriesInStep = 250

    /// The result of one step.
    enum ViewStep {
        case underWay
        /// They are shown. `gone` are the names of views that are not shown any more, or are other
        /// views now.
        case shown(gone: [String])
    }

    /// Brings the archive one step nearer to showing these views.
    ///
    /// - Parameter limit: How many series are looked at.
    /// - Throws: ``ArchiveError`` when the ledger cannot be written on enough volumes.
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
                entries.append(
                    LedgerEvent.paths(record).entry(
                        by: actor, at: Timestamp(nanoseconds: record.time)))
                left -= Int(record.through - made)
                if record.through < last { return .underWay }
            }
            try add(.views(ViewsEvent(wanted)), to: &entries, with: writer)
            return .shown(gone: shown.filter { !wanted.contains($0) }.map(\.name))
        }.result
    }
}
