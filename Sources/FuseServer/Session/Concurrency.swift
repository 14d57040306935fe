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
//   settle          decides what is due in /incoming; "settle 1…4" do it        Settling
//   rename          one for each RENAME that waits for disks, and one that      DeferredRenames
//                   shows /incoming of another volume when its own has gone     IncomingTrees
//   list ahead      prepares listings                                           ReadAhead
//
//   ingest 1…n      hash, read and stage files; one for each processor, 4 to 8   IngestStage
//   hash 1, 2       the same with large files that no one has hashed yet        IngestPipeline
//   ingest spare    the same, while all the others hang                         WorkerPool
//   commit          makes batches durable and records them                      Committer
//   answer          tells the views, then the programs that wait                Completions
//   unzip 0…5       unpack zip archives, which are given to "ingest" again      ZipQueue
//   each n          one for each volume while a batch is stored on all          Committer, onAll
//   ledger of …     a queue for each volume: appends records                    LedgerWriter
//   scan n          queues: read blobs for a scrub or a verification            ScanWork
//   watch, probe    look after the volumes; one probe for each disk             VolumeWatch
//   resilver        makes missing copies, empties retired volumes               Resilver
//   views           makes the folders of views that are new                     ViewMaking
//   scrub           reads everything when its time has come                     Scrubs
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
// without a thread. All others read the index, and run on the thread that received them. Large
// images that have to be hashed before they are opened take `ThreadShares.hashing` of a lane.
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
//   ScrubTurn ─► CopyRepairs.busy ─► index writer
//   RejectedFiles.changing ─► index writer
//   index writer ─► Ledger.state ─► LedgerWriter.current       (held while the disks are written)
//   index writer ─► Catalogue.shown, .lastTime ; VolumeSet.state
//   turn of a file ─► names ─► tree   (of /incoming; the first two are reservations, not locks, and
//                                      are kept while a thread waits for a disk: see IncomingTree)
//   ImageFiles shard ─► VolumeSet.state ; DeferredReply.state ; Interruptions.state
//   IngestSequence.state ─► BlockingQueue
//
// The "index writer" is GRDB's queue of the one connection that writes: a transaction holds it, and
// appends to the ledger inside. Readers of the index do not wait for it.
//
// All other locks are leaves: nothing is taken while one is held. They are Lane, VolumeLanes,
// RequestLoop, Interruptions, DeferredReply, PassingSearches, SearchResults, ReadAhead,
// FileSystem.{imageFiles, recentAttributes, searchesChanged}, Shares, ShareRefusals,
// IngestPipeline.inFlight, VerifiedBlobs, CurrentSettings, Observers, VolumeSet.state,
// Volume.{blobFolders, rejectedFolders, distrusted}, ScanWork, Pace, ZipProgress, ZipQueue,
// Unpacking, TagIndex.idle and LogFile.

/// How many threads work on requests of the kernel.
enum ThreadShares {
    /// Of one lane: /incoming, or the images of one volume.
    static let lane = 16
    /// Of those of a volume, the ones that may hash large images before they are opened.
    static let hashing = 4

    /// All lanes together, and those that are left for requests about the views.
    ///
    /// - Parameter views: How many requests about the views are worked on at once.
    static func most(volumes: Int, views: Int) -> Int { views + lane * (1 + volumes) }
}
