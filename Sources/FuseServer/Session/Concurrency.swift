// Every thread and lock of the daemon, and the order of the locks. Locks and threads are made of
// `System/Threads`: `Lock` guards a value, `Monitor` one that threads wait for, `Turn` lets one
// thread at a time do something long.
//
// # Threads
//
//   main            waits for SIGTERM, SIGINT or the end of the mount, then stops the others one
//                   after the other and closes the archive                      Session.run
//   fuse 0…         receive requests and work on them; one more comes when none is left that
//                   receives, and those beyond enough rest                      RequestLoop
//   interrupt       answers EINTR to requests whose program got a signal        Interruptions
//   invalidate      tells the kernel what it has to forget of the views         Invalidator
//   settle          decides what is due in /incoming; "settle 1, 2" do it,      Settling
//                   and "settle 3…6" set files aside
//   rename          one for each RENAME that waits for disks; one that shows    DeferredRenames
//                   /incoming of another volume when its own has gone, and      IncomingTrees
//                   one that adds what an earlier run left in /incoming
//   list ahead      prepares listings                                           ReadAhead
//
//   ingest 1…n      hash, read and stage files; one for each processor, 4 to 8   IngestStage
//   hash 1, 2       the same with large files that no one has hashed yet        IngestPipeline
//   ingest spare    the same, in place of threads that are lost to a disk       WorkerPool
//   commit          makes batches durable and records them                      Committer
//   answer          tells the views, then the programs that wait                Completions
//   unzip 0…5       unpack zip archives, which are given to "ingest" again      ZipQueue
//   disk            calls on disks, which may not return: commits, appends to   DiskPatience
//                   the ledger, looks; as many as are needed
//   patience        gives up disks that do not answer                           DiskPatience
//   fetch           up to 8: run rclone for images that no volume has            OffsiteReader
//   scan n          queues: read blobs for a scrub or a verification            ScanWork
//   recover         finishes what the last run left on the volumes, and         Volume-
//                   what is staged and not on its way any more        Administration
//   watch           looks after the volumes                                     VolumeWatch
//   resilver        makes missing copies, empties retired volumes               Resilver
//   views           makes the folders of views that are new                     ViewMaking
//   scrub           reads everything when its time has come                     Scrubs
//   removable       brings disks that are taken home up to date         RemovableVolumes
//   alerts          runs alert_command and curl, and waits for them             Alerts
//   restore         goes on with a restore that was interrupted                 Restores
//   offsite NAME    brings everything to a remote, by rclone as a child         RemoteLoop
//                   process; no lock is held while that runs
//   sending         waits for rclone while "offsite NAME" makes the next batch   RemoteSending
//   drill           restores from sources for a trial, by rclone and DCMTK as    Drills
//                   child processes; no lock is held while these run
//
//   control         take commands of "pacsfs"; one for each connection          ControlServer
//   watchdog, hangup   keep the service manager informed; reload        Watchdog, DaemonProcess
//
// # Who waits for whom
//
// A close() that archives takes this way. No thread of FUSE waits meanwhile: the reply is deferred.
//
//   FLUSH ─► fuse: DeferredReply, registered with Interruptions
//        ─► ingest ─► commit ─► answer: first waits for "invalidate", which notifies the kernel,
//                                       then calls DeferredReply.answer ─► close() returns
//   INTERRUPT ─► fuse ─► interrupt ─► DeferredReply.answer(EINTR): the earlier of both is heard
//
// "answer" waits for "invalidate", which may wait in the kernel for a request about a view. Such
// requests read the index or, by a lane of a volume, a blob: they wait for no ingest. The state is
// published first, then the kernel is notified, then programs are answered.
//
// # Shares of the threads
//
// A request that may wait for a disk, or for a lock that is held while one is waited for, runs on
// the `Lane` of that disk, which takes `ThreadShares.lane` threads at most: one lane for /incoming
// and /rejected, and one for each volume that images are read from. Requests beyond that wait
// without a thread. status.html and metrics.prom have a lane of `ThreadShares.documents`: to make
// them, all volumes are looked at. All others read the index, and run on the thread that received
// them. Large images that have to be hashed before they are opened take `ThreadShares.hashing` of a
// lane.
//
// # Disks that do not answer
//
// Whoever uses a disk is part of a `DiskWork`, and says so by `DiskCalls.call` (a volume does it
// by itself, `Volume.onDisk`). "patience" gives up a disk on which a system call lasts longer than
// `[volumes] patience`. Then, in this order: the volume leaves the `VolumeSet`; works in calls on
// it are abandoned, and those who wait for them go on; the loss is reported. What is abandoned:
//
//   a request on a lane    is begun again on another thread, or answered with EIO   RequestLoop
//   OPEN of an image       is tried with the next volume                            ImageFiles
//   a file being staged    is staged on the other volumes                           IngestPipeline
//   a batch, an append     go on without the volume                          Committer, Ledger
//
// The thread stays in the kernel until the disk answers, finds its disk given up, and ends. The
// kernel takes no second answer to a request. The volume is opened anew when all such threads have
// come back, and gets what it lacks like one that was plugged in again. What holds something that
// others need (a `Turn`, the index writer) never is in a call on a disk: `DiskWork.keptFree`.
//
// # Images that are only off-site
//
// OPEN of an image finds no good copy, and leaves its lane: "fetch" runs rclone, puts the image on
// the volumes, and begins the OPEN again. No lock is held, and no lane is taken, while rclone runs.
// It is ended when nobody waits for the image any more, and given up when nothing has moved for
// `[volumes] patience`.
//
// # Locks
//
// A lock is held for moments, and never while a thread waits for a disk, the kernel or another
// thread, except where this says so. A `Turn` is held as long as its work takes, and is taken with
// no lock held. Each line names locks of which one is held while the next is
// taken, from left to right:
//
//   VolumeAdministration.changing ─► Resilver, Configuration ─► index writer ─► Ledger.state
//                                 └► IncomingTrees.following ─► names ─► tree   (movedStaging)
//   Resilver.running ─► VolumeAdministration.changing
//   OffsiteRemotes.changing ─► RemoteLoop.turn ─► index writer
//   Drills.turn ─► RemoteLoop.turn
//   ScrubTurn ─► CopyRepairs.busy ─► index writer
//   RejectedFiles.changing ─► index writer
//   index writer ─► Ledger.state ─► LedgerWriter.current   (held while the disks are written, at
//                                                           most as long as anybody is patient)
//   index writer ─► Catalogue.shown, .lastTime ; VolumeSet.state
//   turn of a file ─► names ─► tree   (of /incoming; the first two are reservations, not locks, and
//                                      are kept while a thread waits for a disk: see IncomingLock)
//   ImageFiles shard ─► VolumeSet.state ; DeferredReply.state ; Interruptions.state
//   IngestSequence.state ─► BlockingQueue
//
// The "index writer" is GRDB's queue of the one connection that writes: a transaction holds it, and
// appends to the ledger inside. Readers of the index do not wait for it.
//
// All other locks are leaves: nothing is taken while one is held. They are DiskPatience, DiskWork,
// DiskCalls, VolumeSet.looks, ImageFiles.elsewhere, Ledger.shown, Lane, VolumeLanes, RequestLoop,
// Interruptions, DeferredReply, PassingSearches, SearchResults, ReadAhead, FileSystem.{imageFiles,
// recentAttributes, searchesChanged, searchKeepers}, StatusDocuments, Shares, ShareRefusals,
// IngestPipeline.inFlight, VerifiedBlobs, CurrentSettings, Observers, VolumeSet.state,
// Volume.{blobFolders, rejectedFolders, distrusted}, ScanWork, Pace, Alerts, AlertCommand,
// RemovableVolumes.state, AbandonedCommits.state, Drills.notes, ZipProgress, ZipQueue, Unpacking,
// TagIndex.idle, LogFile, ArrivalSignal, RemoteLoop.{shown, work, running}, OffsiteRemotes.state,
// OffsiteCopies, OffsiteReader, Restores, ObjectSource, RemoteStore.known, RemoteSending.state,
// RemoteAccess.state and
// VolumeAdministration.{unfinished, isRecovering}.

/// How many threads work on requests of the kernel.
enum ThreadShares {
    /// Of one lane: /incoming, or the images of one volume.
    static let lane = 16
    /// Of those of a volume, the ones that may hash large images before they are opened.
    static let hashing = 4
    /// That make status.html and metrics.prom.
    static let documents = 2

    /// All lanes together, and those that are left for requests about the views.
    ///
    /// - Parameter views: How many requests about the views are worked on at once.
    static func most(volumes: Int, views: Int) -> Int { views + documents + lane * (1 + volumes) }
}
