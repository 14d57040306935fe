import Foundation
import TestSupport
import Testing

/// `pacsfs views --json`.
struct ListedViews: Decodable {
    var views: [ListedView]
}

struct ListedView: Decodable, Equatable {
    var name: String
    var template: String
    var state: String
    var folders: Int
}

extension MountedArchive {
    func listedViews() throws -> [ListedView] {
        try pacsfs("views", "--json").json(ListedViews.self).views
    }

    /// Changes `pacsfs.toml` and waits until the views in it are shown.
    ///
    /// - Parameter tell: tells the daemon; `pacsfs reload` when it is left out
    func changeViews(
        sourceLocation: SourceLocation = #_sourceLocation, _ change: (String) -> String,
        tell: (() throws -> Void)? = nil
    ) throws {
        let before = try listedViews()
        try configure(change)
        if let tell {
            try tell()
        } else {
            let run = try pacsfs("reload")
            try #require(run.succeeded, "\(run.report)", sourceLocation: sourceLocation)
        }
        var views = before
        let isDone = try eventually {
            views = try listedViews()
            return views != before && views.allSatisfy { $0.state != "making" }
        }
        #expect(isDone, "The views do not change: \(views)", sourceLocation: sourceLocation)
    }
}
