import System

/// Everything that an open archive does by itself:
///
///     recover    at the start      finishes what the last run left             ``Recovery``
///     watch      every 2 s         notices volumes that go and come            ``VolumeWatch``
///     resilver   when woken        makes missing copies                        ``Resilver``
///     views      when woken        makes the views that are asked for          ``ViewMaking``
///     scrub      every minute      reads the folders that are due              ``Scrubs``
final class Maintenance: Sendable {
    let administration: VolumeAdministration
    let watch: VolumeWatch
    let resilver: Resilver
    let views: ViewMaking
    let scrubs: Scrubs

    init(
        administration: VolumeAdministration, watch: VolumeWatch, resilver: Resilver,
        views: ViewMaking, scrubs: Scrubs
    ) {
        self.administration = administration
        (self.watch, self.resilver, self.views, self.scrubs) = (watch, resilver, views, scrubs)
    }

    /// Starts the threads.
    ///
    /// - Throws: `EAGAIN` when the system has no room for another thread; ``stop()`` ends those
    ///   that were started.
    func start() throws(Errno) {
        try administration.startRecovering()
        try watch.start()
        try resilver.start()
        try views.start()
        try scrubs.start()
    }

    /// Ends the work under way, and the threads.
    func stop() {
        watch.stop()
        administration.stopRecovering()
        resilver.stop()
        scrubs.stop()
        views.stop()
    }
}
