/// What images are restored from in a drill: one place alone.
public enum DrillSource: Hashable, Sendable {
    /// A volume, by its ordinal.
    case volume(Int)
    /// A remote, by its name.
    case remote(String)

    /// `volume 2`, `remote b2`: how the index and reports name it.
    public var key: String {
        switch self {
        case .volume(let ordinal): "volume \(ordinal)"
        case .remote(let name): "remote \(name)"
        }
    }

    /// Disks that are taken home have ordinals from here on, which no ordinary volume has.
    static let firstRemovable = 1_000_000

    /// Whether it is such a disk.
    var isRemovable: Bool {
        if case .volume(let ordinal) = self { ordinal >= Self.firstRemovable } else { false }
    }

    /// `volume-2`, `remote-b2`: for names of files.
    var fileName: String { key.replacing(" ", with: "-") }

    /// How a command names it.
    var argument: String {
        switch self {
        case .volume(let ordinal): "\(ordinal)"
        case .remote(let name): name
        }
    }
}
