import GRDB

/// The tables of `index.sqlite`, and the only description of them.
///
/// The index is a view of the ledger: every row can be made again by replaying it. Rows are
/// only ever added (AUTOINCREMENT: a row id is never given twice), because row ids are inode
/// numbers, and a kernel, an NFS client or a backup catalogue may remember one for years.
enum Schema {
    /// Raised when a table changes; an index of another version is set aside and rebuilt.
    static let version = 5

    static func create(in db: Database) throws {
        try createTables(in: db)
        try createIndexes(in: db)
    }

    /// The tables, with those indexes only without which rows cannot be told apart while they
    /// are made.
    static func createTables(in db: Database) throws {
        try db.execute(
            sql: """
                -- One row a fact about the index itself:
                --   schema   the version above
                --   created  when the first views were set, ns
                --   arranged when the views were last set, ns: the time of the root
                --   ledger   how far the ledger has been taken in, as JSON (IndexedPosition)
                CREATE TABLE meta(
                  key   TEXT PRIMARY KEY,
                  value TEXT NOT NULL
                ) WITHOUT ROWID;

                -- One row. Sums that `status` would otherwise have to count.
                CREATE TABLE totals(
                  instances INTEGER NOT NULL,
                  bytes     INTEGER NOT NULL
                );
                INSERT INTO totals VALUES (0, 0);

                -- A histogram: how many instances have how many copies.
                CREATE TABLE copy_count(
                  copies    INTEGER PRIMARY KEY,
                  instances INTEGER NOT NULL
                );

                -- A patient as the images tell it: PatientID, IssuerOfPatientID and PatientName,
                -- joined with U+001F. Two clinics both have a patient 1234, and one clinic may
                -- have given 1234 twice: what differs in any of the three is shown apart.
                CREATE TABLE patient(
                  id  INTEGER PRIMARY KEY AUTOINCREMENT,
                  key TEXT NOT NULL UNIQUE
                );

                -- A study of a patient: StudyInstanceUID, or when it is missing what stands for
                -- it (date, description, accession number), behind the id of the patient.
                CREATE TABLE study(
                  id      INTEGER PRIMARY KEY AUTOINCREMENT,
                  patient INTEGER NOT NULL REFERENCES patient(id),
                  key     TEXT NOT NULL UNIQUE
                );

                -- A series: the images with the same grouping attributes (AttributeSet.groupingKey).
                -- A SeriesInstanceUID met again with another patient or study is another row, so
                -- that an image is never shown below a name that is not its own.
                CREATE TABLE series(
                  id         INTEGER PRIMARY KEY AUTOINCREMENT,
                  study      INTEGER NOT NULL REFERENCES study(id),
                  key        TEXT NOT NULL UNIQUE,
                  date       TEXT,              -- yyyy-MM-dd, with the fall-backs of Naming; NULL undated
                  modality   TEXT,
                  series_uid TEXT,
                  study_uid  TEXT,
                  attributes TEXT NOT NULL,     -- JSON by keyword: those of its first image
                  created    INTEGER NOT NULL   -- when that came, ns since 1970
                );

                -- An archived original. One row a digest: the same bytes are stored once.
                CREATE TABLE instance(
                  id         INTEGER PRIMARY KEY AUTOINCREMENT,
                  series     INTEGER NOT NULL REFERENCES series(id),
                  sha256     BLOB NOT NULL,               -- 32 bytes, once; names the blob
                  bytes      INTEGER NOT NULL,
                  received   INTEGER NOT NULL,            -- when archived, ns since 1970: st_mtime
                  sop_uid    TEXT,
                  name       TEXT NOT NULL COLLATE NOCASE, -- its file name in most views; ASCII
                  uid_name   TEXT NOT NULL COLLATE NOCASE, -- its file name in by-uid; ASCII
                  copies     INTEGER NOT NULL,            -- rows of `copy`
                  flags      INTEGER NOT NULL,            -- HeaderFlags
                  source     TEXT NOT NULL,               -- where it came from: user.pacsfs.original-path
                  attributes TEXT NOT NULL                -- JSON: what differs from the series' attributes
                );

                -- How much came on which day (UTC, days since 1970): for how long the room will last.
                CREATE TABLE day(
                  day       INTEGER PRIMARY KEY,
                  instances INTEGER NOT NULL,
                  bytes     INTEGER NOT NULL
                );

                -- The volumes that the archive has or had.
                CREATE TABLE volume(
                  ordinal INTEGER PRIMARY KEY,
                  id      TEXT NOT NULL,
                  domain  TEXT NOT NULL,
                  state   TEXT NOT NULL,       -- VolumeState
                  errors  INTEGER NOT NULL     -- bad copies since it was last read whole without any
                );

                -- Which volumes hold which blob.
                CREATE TABLE copy(
                  volume   INTEGER NOT NULL,   -- VolumeIdentity.ordinal
                  instance INTEGER NOT NULL,
                  verified INTEGER NOT NULL,   -- when its bytes were last hashed, ns since 1970
                  PRIMARY KEY (volume, instance)
                ) WITHOUT ROWID;

                -- When the blobs whose digest begins with the byte `folder` were last read whole on
                -- a volume, ns since 1970: what copies there are were good then, or are copied since.
                CREATE TABLE scrubbed(
                  volume INTEGER NOT NULL,
                  folder INTEGER NOT NULL,     -- 0 to 255
                  time   INTEGER NOT NULL,
                  errors INTEGER NOT NULL,     -- bad copies that were found
                  PRIMARY KEY (volume, folder)
                ) WITHOUT ROWID;

                -- The views that the archive shows, has shown, or is making. Those that are not
                -- shown keep their directories: who has one open goes on reading, and when the
                -- view is shown again it has the same paths and numbers.
                CREATE TABLE view(
                  node     INTEGER PRIMARY KEY,  -- its directory
                  name     TEXT NOT NULL,
                  template TEXT NOT NULL,
                  place    INTEGER,              -- among those that are shown, from 1; NULL when it is not
                  made     INTEGER NOT NULL,     -- while not shown: the series up to this one are in it
                  UNIQUE (name, template)
                );

                -- The directories of the views. A row with parent 0 is a view that is shown, with
                -- parent -1 one that is not, by the name that IndexWriter.hiddenKey gives it; a row
                -- with a series is a leaf, whose files are the rows of `instance`; all others group
                -- what renders to the same text, ignoring case.
                CREATE TABLE node(
                  id      INTEGER PRIMARY KEY AUTOINCREMENT,
                  parent  INTEGER NOT NULL,
                  name    TEXT NOT NULL,
                  folded  TEXT NOT NULL,       -- PortableName.folded(name)
                  series  INTEGER,             -- NULL for what is not a leaf
                  view    INTEGER,             -- of a leaf: view.node
                  by_uid  INTEGER NOT NULL,    -- 1: its files are named by SOPInstanceUID
                  changed INTEGER NOT NULL,    -- when an entry was last added, ns; a leaf asks its images
                  UNIQUE (parent, folded)
                );

                -- What was set aside, so that the same file is not set aside twice.
                CREATE TABLE rejected(
                  id     INTEGER PRIMARY KEY AUTOINCREMENT,
                  sha256 BLOB NOT NULL,
                  bytes  INTEGER NOT NULL,
                  path   TEXT NOT NULL,        -- below /rejected
                  source TEXT NOT NULL,
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

                -- The words of a series, for `find`: rowid is series.id. Case and accents are
                -- folded by the tokenizer.
                CREATE VIRTUAL TABLE words USING fts5(
                  name, id, study, other,
                  content='', tokenize="unicode61 remove_diacritics 2", prefix='2 3'
                );
                """)
        try db.execute(
            sql: "INSERT INTO meta VALUES ('schema', ?)", arguments: [String(version)])
    }

    /// The indexes that a look-up needs. To sort the rows at the end is several times as fast as
    /// to keep an index sorted while they come.
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
                -- In order of id, with the name: READDIR reads nothing else.
                CREATE INDEX        instance_series   ON instance(series, id, name);
                CREATE INDEX        instance_sop_uid  ON instance(sop_uid);
                CREATE INDEX        instance_copies   ON instance(copies);  -- in order of id: resilver
                CREATE INDEX copy_instance ON copy(instance);
                CREATE INDEX node_parent ON node(parent, id, name);  -- likewise
                CREATE INDEX node_series ON node(series, view) WHERE series IS NOT NULL;
                """)
    }
}
