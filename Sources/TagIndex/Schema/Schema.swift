import DICOM
import GRDB

/// The tables of `index.sqlite`, and the only description of them.
///
/// The index is a view of the ledger: replaying the ledger makes every row again. Row ids are inode
/// numbers, and a kernel, an NFS client or a backup catalogue may remember one for years. So rows
/// are only added, and a row id is never given twice (AUTOINCREMENT).
enum Schema {
    /// Raised when a table changes. An index of another version is put aside and rebuilt.
    static let version = 10

    /// The condition that an instance is shown in all views. It is not when an earlier one has the
    /// same data set, and only the file header differs: then views by UID show it alone.
    static let isShown = "flags & \(HeaderFlags.sameDataSet.rawValue) = 0"

    static func create(in db: Database) throws {
        try createTables(in: db)
        try createIndexes(in: db)
    }

    /// Creates the tables. The only indexes are those that are needed to tell rows apart while they
    /// are made.
    static func createTables(in db: Database) throws {
        try db.execute(
            sql: """
                -- Facts about the index itself, one per row:
                --   schema   the version above
                --   created  when the first views were set, ns
                --   arranged when the views were last set, ns: the time of the root
                --   ledger   how far the ledger is in the index, as JSON (IndexedPosition)
                CREATE TABLE meta(
                  key   TEXT PRIMARY KEY,
                  value TEXT NOT NULL
                ) WITHOUT ROWID;

                -- One row: sums that `status` would otherwise have to count.
                CREATE TABLE totals(
                  instances INTEGER NOT NULL,
                  bytes     INTEGER NOT NULL,
                  versions  INTEGER NOT NULL,    -- how many of the instances are not shown
                  patients  INTEGER NOT NULL,
                  studies   INTEGER NOT NULL
                );
                INSERT INTO totals VALUES (0, 0, 0, 0, 0);

                -- The number of instances that are on exactly these volumes. It answers how many
                -- have how many copies, and what the loss of any volumes or disks would cost.
                CREATE TABLE placement(
                  volumes   TEXT PRIMARY KEY,    -- ordinals, ascending: "1,3"; "" without a copy
                  instances INTEGER NOT NULL
                ) WITHOUT ROWID;

                -- A patient as the images name it: PatientID, IssuerOfPatientID and PatientName,
                -- joined with U+001F. Two clinics may both have a patient 1234, and one clinic may
                -- have given 1234 twice: a difference in any of the three makes another patient.
                CREATE TABLE patient(
                  id  INTEGER PRIMARY KEY AUTOINCREMENT,
                  key TEXT NOT NULL UNIQUE
                );

                -- A study of a patient. The key is the id of the patient, U+001F and the
                -- StudyInstanceUID; if that is missing, date, description and accession number.
                CREATE TABLE study(
                  id      INTEGER PRIMARY KEY AUTOINCREMENT,
                  patient INTEGER NOT NULL REFERENCES patient(id),
                  key     TEXT NOT NULL UNIQUE
                );

                -- A series: the images with the same grouping attributes
                -- (AttributeSet.groupingKey). The same SeriesInstanceUID with another patient or
                -- study makes another row, so that an image is never shown below a name that is
                -- not its own.
                CREATE TABLE series(
                  id         INTEGER PRIMARY KEY AUTOINCREMENT,
                  study      INTEGER NOT NULL REFERENCES study(id),
                  key        TEXT NOT NULL UNIQUE,
                  date       TEXT,              -- StudyDay, yyyy-MM-dd; NULL undated
                  modality   TEXT,
                  series_uid TEXT,
                  study_uid  TEXT,
                  attributes TEXT NOT NULL,     -- of its first image: JSON by keyword
                  created    INTEGER NOT NULL   -- when that was archived, ns since 1970
                );

                -- An archived original, one row per digest: the same bytes are stored once.
                CREATE TABLE instance(
                  id         INTEGER PRIMARY KEY AUTOINCREMENT,
                  series     INTEGER NOT NULL REFERENCES series(id),
                  sha256     BLOB NOT NULL,               -- 32 bytes, unique; names the blob
                  bytes      INTEGER NOT NULL,
                  received   INTEGER NOT NULL,            -- when archived, ns since 1970: st_mtime
                  sop_uid    TEXT,
                  name       TEXT NOT NULL COLLATE NOCASE, -- its file name in most views; ASCII
                  uid_name   TEXT NOT NULL COLLATE NOCASE, -- its file name in by-uid; ASCII
                  copies     INTEGER NOT NULL,            -- rows of `copy`
                  flags      INTEGER NOT NULL,            -- HeaderFlags; see isShown
                  source     TEXT NOT NULL,               -- where it came from
                  attributes TEXT NOT NULL                -- JSON: differences from its series
                );

                -- How much was archived on which day: to estimate how long the free space lasts,
                -- and to notice when a device sends nothing any more.
                CREATE TABLE intake(
                  day       INTEGER NOT NULL,    -- UTC, days since 1970
                  modality  TEXT NOT NULL,       -- of the series; "" without one
                  instances INTEGER NOT NULL,
                  bytes     INTEGER NOT NULL,
                  PRIMARY KEY (day, modality)
                ) WITHOUT ROWID;

                -- The volumes that the archive has or had.
                CREATE TABLE volume(
                  ordinal INTEGER PRIMARY KEY,
                  id      TEXT NOT NULL,
                  domain  TEXT NOT NULL,
                  state   TEXT NOT NULL,       -- VolumeState
                  errors  INTEGER NOT NULL     -- bad copies since its last complete scrub \
                without any
                );

                -- Which volumes hold which blob.
                CREATE TABLE copy(
                  volume   INTEGER NOT NULL,   -- VolumeIdentity.ordinal
                  instance INTEGER NOT NULL,
                  verified INTEGER NOT NULL,   -- when its bytes were last hashed, ns since 1970
                  PRIMARY KEY (volume, instance)
                ) WITHOUT ROWID;

                -- When the blobs of a folder were last scrubbed on a volume. The copies that exist
                -- were good then, or were made later.
                CREATE TABLE scrubbed(
                  volume INTEGER NOT NULL,
                  folder INTEGER NOT NULL,     -- first byte of the digests, 0 to 255
                  time   INTEGER NOT NULL,     -- ns since 1970
                  errors INTEGER NOT NULL,     -- bad copies found
                  PRIMARY KEY (volume, folder)
                ) WITHOUT ROWID;

                -- The views that the archive shows, has shown, or is making. A view that is not
                -- shown keeps its directories: a program that has one open can go on reading, and
                -- if the view is shown again, it has the same paths and inode numbers.
                CREATE TABLE view(
                  node     INTEGER PRIMARY KEY,  -- its directory
                  name     TEXT NOT NULL,
                  template TEXT NOT NULL,
                  place    INTEGER,              -- order of those that are shown, from 1; else NULL
                  made     INTEGER NOT NULL,     -- while not shown: the last series.id in it
                  UNIQUE (name, template)
                );

                -- The directories of the views. A row with parent 0 is a view that is shown. A row
                -- with parent -1 is a view that is not shown; its `folded` is \
                IndexWriter.hiddenKey.
                -- A row with a series is a leaf, whose files are rows of `instance`. All other rows
                -- group what renders to the same text, ignoring case.
                CREATE TABLE node(
                  id      INTEGER PRIMARY KEY AUTOINCREMENT,
                  parent  INTEGER NOT NULL,
                  name    TEXT NOT NULL,
                  folded  TEXT NOT NULL,       -- PortableName.folded(name)
                  series  INTEGER,             -- of a leaf, otherwise NULL
                  view    INTEGER,             -- of a leaf: view.node, otherwise NULL
                  by_uid  INTEGER NOT NULL,    -- 1: its files are named by SOPInstanceUID
                  changed INTEGER NOT NULL,    -- ns: its last entry; of a leaf: when it was made
                  UNIQUE (parent, folded)
                );

                -- Places away from this machine that images are brought to.
                CREATE TABLE remote(
                  id        INTEGER PRIMARY KEY AUTOINCREMENT,
                  name      TEXT NOT NULL UNIQUE,
                  uuid      TEXT NOT NULL,
                  cipher    TEXT,                -- how objects are encrypted; NULL when not
                  hash      TEXT,                -- the kind that the server keeps; NULL none
                  added     INTEGER NOT NULL,    -- ns since 1970, as all times here
                  images    INTEGER NOT NULL DEFAULT 0,  -- of `offsite`, in objects without a fault
                  bytes     INTEGER NOT NULL DEFAULT 0,  -- of these images
                  pushed    INTEGER,             -- when something was last brought there
                  checked   INTEGER,             -- when it was last compared with a listing
                  rolled_back INTEGER NOT NULL DEFAULT 0, -- what that said: the newest are gone
                  wiped     INTEGER,             -- when it was last tried to destroy something
                  overwrite TEXT,                -- what became of that: WipeResult
                  delete_   TEXT,
                  shorten   TEXT
                );

                -- What lies there, proven.
                CREATE TABLE object(
                  id       INTEGER PRIMARY KEY AUTOINCREMENT,
                  remote   INTEGER NOT NULL REFERENCES remote(id),
                  name     TEXT NOT NULL,        -- before it is encrypted
                  server   TEXT,                 -- after that; NULL when it is not encrypted
                  bytes    INTEGER NOT NULL,     -- before it is encrypted
                  hash     TEXT,                 -- what the server says of it
                  until    INTEGER,              -- when its lock ends; NULL when it has none
                  through  INTEGER,              -- of a piece of the ledger: its last record
                  recorded INTEGER NOT NULL,     -- when it was last brought there
                  proven   INTEGER NOT NULL,     -- when it was last read whole
                  fault    TEXT,                 -- ObjectFault; NULL when it is as it should be
                  UNIQUE (remote, name)
                );

                -- Which blob lies in which object; one place on each remote.
                CREATE TABLE offsite(
                  remote   INTEGER NOT NULL,
                  instance INTEGER NOT NULL,
                  object   INTEGER NOT NULL,
                  offset   INTEGER NOT NULL,
                  PRIMARY KEY (remote, instance)
                ) WITHOUT ROWID;

                -- The last drill of each source: images were restored from it alone.
                CREATE TABLE drill(
                  source   TEXT PRIMARY KEY,     -- "volume 2", "remote b2"
                  time     INTEGER NOT NULL,     -- when it ended, ns since 1970
                  images   INTEGER NOT NULL,     -- that should be there, and of these:
                  listed   INTEGER NOT NULL,
                  seen     INTEGER NOT NULL,     -- with the hash that the server said
                  restored INTEGER NOT NULL,
                  decoded  INTEGER NOT NULL,
                  faults   INTEGER NOT NULL,     -- what did not fit
                  report   BLOB NOT NULL         -- SHA-256 of the report
                ) WITHOUT ROWID;

                -- Rejected files, so that the same file is not rejected twice.
                CREATE TABLE rejected(
                  id     INTEGER PRIMARY KEY AUTOINCREMENT,
                  sha256 BLOB NOT NULL,
                  bytes  INTEGER NOT NULL,
                  path   TEXT NOT NULL,        -- below /rejected
                  source TEXT NOT NULL,        -- where it came from
                  reason TEXT NOT NULL,
                  time   INTEGER NOT NULL,     -- ns since 1970
                  UNIQUE (sha256, source)
                );

                -- The searches that stay listed in /search.
                CREATE TABLE search(
                  id     INTEGER PRIMARY KEY AUTOINCREMENT,
                  words  TEXT NOT NULL,
                  folded TEXT NOT NULL UNIQUE, -- PortableName.folded(words)
                  since  INTEGER NOT NULL      -- ns since 1970
                );

                -- The words of a series, for searches; rowid is series.id. The tokenizer folds case
                -- and accents.
                CREATE VIRTUAL TABLE words USING fts5(
                  name, id, study, other,
                  content='', tokenize="unicode61 remove_diacritics 2", prefix='2 3'
                );
                """)
        try db.execute(
            sql: "INSERT INTO meta VALUES ('schema', ?)", arguments: [String(version)])
    }

    /// Creates the indexes that look-ups need. Sorting all rows at the end is several times faster
    /// than keeping an index sorted while rows are added.
    static func createIndexes(in db: Database) throws {
        try db.execute(
            sql: """
                CREATE INDEX study_patient ON study(patient);
                CREATE INDEX series_study     ON series(study);
                CREATE INDEX series_date      ON series(date);
                CREATE INDEX series_modality  ON series(modality, date);
                CREATE INDEX series_uid       ON series(series_uid);
                CREATE INDEX series_study_uid ON series(study_uid);
                CREATE UNIQUE INDEX instance_sha256   ON instance(sha256);
                CREATE UNIQUE INDEX instance_name     ON instance(series, name);
                CREATE UNIQUE INDEX instance_uid_name ON instance(series, uid_name);
                -- Ordered by id, with the name: READDIR reads nothing else.
                CREATE INDEX        instance_series   ON instance(series, id, name, flags);
                CREATE INDEX        instance_sop_uid  ON instance(sop_uid);
                CREATE INDEX        instance_copies   ON instance(copies);  -- ordered by id: \
                resilver
                CREATE INDEX copy_instance ON copy(instance);
                CREATE INDEX offsite_object ON offsite(object);
                CREATE INDEX offsite_instance ON offsite(instance);
                CREATE INDEX object_proven ON object(remote, proven);
                CREATE INDEX node_parent ON node(parent, id, name);  -- as instance_series
                CREATE INDEX node_series ON node(series, view) WHERE series IS NOT NULL;
                """)
    }
}
