/// The setting `copies` asks for more volumes than there are.
enum TooFewVolumes {
    /// The consequence and the remedy, in a line; `nil` when there are enough volumes.
    ///
    /// - Parameters:
    ///   - wanted: The number of copies wanted of each image.
    ///   - minimum: The number of copies that a file needs to count as safe.
    ///   - takers: The number of volumes that take files.
    ///   - away: Paths of absent and read-only volumes.
    static func text(wanted: Int, minimum: Int, takers: Int, away: [String] = []) -> String? {
        guard takers < wanted else { return nil }
        let there =
            takers == 0
            ? "no volume takes files"
            : takers == 1 ? "only one volume takes files" : "only \(takers) volumes take files"
        let consequence =
            takers < minimum
            ? "new images are refused"
            : "new images are stored \(takers == 1 ? "once" : "\(takers) times") for now"
        let remedy =
            away.isEmpty
            ? "Add a volume: pacsfs volume add DIR; or lower \"copies\" in pacsfs.toml."
            : """
            Bring back \(away.joined(separator: " and ")); or put an empty disk in its place: \
            pacsfs volume replace \(away[0]) [NEW-DIR]; or add another: pacsfs volume add DIR
            """
        return "\(wanted) copies of each image are wanted, and \(there): \(consequence). \(remedy)"
    }
}

extension ArchiveCore {
    /// Why new images have fewer copies than `copies` asks for, and what to do; `nil` when they
    /// have enough.
    var copiesProblem: String? { Self.copiesProblem(of: volumes, settings) }

    /// The same, for those who keep no core.
    static func copiesProblem(of volumes: VolumeSet, _ settings: Settings) -> String? {
        let staying = volumes.members.filter { $0.state == .active || $0.state == .failing }
        let away = staying.filter { $0.volume == nil || $0.isReadOnly }.map(\.place.path)
        return TooFewVolumes.text(
            wanted: settings.copies, minimum: settings.minimumCopies,
            takers: staying.count - away.count, away: away)
    }
}
