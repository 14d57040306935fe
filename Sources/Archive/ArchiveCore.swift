import Logging
import System
import TagIndex

/// Everything that the parts of an open archive share. It knows none of them.
struct ArchiveCore: Sendable {
    /// The archive's directory.
    let path: String
    /// The archive's id, a UUID.
    let id: String
    let currentSettings: CurrentSettings
    let volumes: VolumeSet
    let index: TagIndex
    let catalogue: Catalogue
    let observers: Observers
    let refusals: ShareRefusals
    let clock: any MonotonicClock
    let log: Logger

    /// What `pacsfs.toml` says, as far as it is in use.
    var settings: Settings { currentSettings.value }
}
