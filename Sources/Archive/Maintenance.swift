import System

/// Everything that an open archive does by itself:
///
///     recover    at the start      finishes what the last run left             ``Recovery``
///                every 2 s         and what could not be stored        ``AbandonedCommits``
///     watch      every 2 s         notices volumes that go and come            ``VolumeWatch``
///     resilver   when woken        makes missing copies                        ``Resilver``
///     waiting    every 10 s        copies what waits in /incoming              ``WaitingFiles``
///     views      when woken        makes the views that are asked for          ``ViewMaking``
///     alerts     every minute      tells somebody what has changed             ``Alerts``
///     removable  every 5 s         brings disks taken home up to date     ``RemovableVolumes``
///     scrub      every minute      reads the folders that are due              ``Scrubs``
///     restore    at the start      goes on with a restore                      ``Restores``
///     offsite    when woken        brings everything to remotes                ``OffsiteRemotes``
///     drill      every hour        restores from sources that are due          ``Drills``
final class Maintenance: Sendable {
    let administration: VolumeAdministration
    let watch: VolumeWatch
    let resilver: Resilver
    let waiting: WaitingFiles
    let views: ViewMaking
    let scrubs: Scrubs
    let restores: Restores
    let offsite: OffsiteRemotes
    let drills: Drills
    let alerts: Alerts
    let removable: RemovableVolumes

    init(
        administration: VolumeAdministration, watch: VolumeWatch, resilver: Resilver,
        waiting: WaitingFiles, views: ViewMaking, scrubs: Scrubs,
        restores: Restores, offsite: OffsiteRemotes, drills: Drills, alerts: Alerts,
        removable: RemovableVolumes
    ) {
        (self.administration, self.watch) = (administration, watch)
        (self.resilver, self.waiting) = (resilver, waiting)
        (self.views, self.scrubs, self.restores) = (views, scrubs, restores)
        (self.offsite, self.drills) = (offsite, drills)
        (self.alerts, self.removable) = (alerts, removable)
    }

    /// Starts the threads.
    ///
    /// - Throws: `EAGAIN` when the system has no room for another thread; ``stop()`` ends those
    ///   that were started.
    func start() throws(Errno) {
        try administration.startRecovering()
        try watch.start()
        try resilver.start()
        try waiting.start()
        try views.start()
        try scrubs.start()
        try alerts.start()
        try removable.start()
        try restores.start()
        try offsite.start()
        try drills.start()
    }

    /// Ends the work under way, and the threads.
    func stop() {
        alerts.stop()
        removable.stop()
        watch.stop()
        offsite.stop()
        drills.stop()
        // First: what is recovered may be taking over what waited.
        waiting.stop()
        administration.stopRecovering()
        restores.stop()
        resilver.stop()
        scrubs.stop()
        views.stop()
    }
}
