import GRDB

// What lies on remotes. Each change is of one record of the ledger; a record about a remote that is
// not there any more changes nothing.
extension IndexWriter {
    /// Adds a remote; one of the same name is replaced, and nothing is known to be there.
    ///
    /// - Throws: GRDB's `DatabaseError` when SQLite fails.
    public func apply(_ record: RemoteRecord) throws {
        try removeRemote(record.name)
        try db.execute(
            sql: "INSERT INTO remote(name, uuid, cipher, hash, added) VALUES (?, ?, ?, ?, ?)",
            arguments: [record.name, record.uuid, record.cipher, record.hash, record.added])
    }

    /// Removes a remote and everything that is known of it.
    ///
    /// - Throws: GRDB's `DatabaseError` when SQLite fails.
    public func removeRemote(_ name: String) throws {
        guard let remote = try remoteID(name) else { return }
        try forgetDrill(of: "remote \(name)")
        try forgetObjects(on: remote)
        try db.execute(sql: "DELETE FROM remote WHERE id = ?", arguments: [remote])
    }

    /// Forgets what lies on a remote.
    ///
    /// - Throws: GRDB's `DatabaseError` when SQLite fails.
    public func forgetObjects(onRemote name: String) throws {
        guard let remote = try remoteID(name) else { return }
        try forgetObjects(on: remote)
        try db.execute(
            sql: """
                UPDATE remote SET images = 0, bytes = 0, pushed = NULL, checked = NULL,
                                  rolled_back = 0 WHERE id = ?
                """, arguments: [remote])
    }

    private func forgetObjects(on remote: Int64) throws {
        try db.execute(sql: "DELETE FROM offsite WHERE remote = ?", arguments: [remote])
        try db.execute(sql: "DELETE FROM object WHERE remote = ?", arguments: [remote])
    }

    func remoteID(_ name: String) throws -> Int64? {
        try Int64.fetchOne(
            db.cachedStatement(sql: "SELECT id FROM remote WHERE name = ?"), arguments: [name])
    }

    /// Notes an object that is proven to be there. What was known of one of the same name is
    /// replaced.
    ///
    /// - Parameters:
    ///   - record: The object.
    ///   - name: The remote.
    ///   - blobs: `instance.id` of the images in it, and where they begin.
    /// - Throws: GRDB's `DatabaseError` when SQLite fails.
    public func apply(
        _ record: ObjectRecord, onRemote name: String, blobs: [(instance: Int64, offset: Int64)]
    ) throws {
        guard let remote = try remoteID(name) else { return }
        let known = try Row.fetchOne(
            db.cachedStatement(sql: "SELECT id, fault FROM object WHERE remote = ? AND name = ?"),
            arguments: [remote, record.name])
        let object: Int64
        if let known {
            object = known[0]
            let fault: String? = known[1]
            if fault != nil { try count(object, 1, on: remote) }
            try db.cachedStatement(
                sql: """
                    UPDATE object SET server = ?, bytes = ?, hash = ?, until = ?, through = ?,
                                      recorded = ?, proven = ?, fault = NULL WHERE id = ?
                    """
            ).execute(arguments: [
                record.serverName, record.bytes, record.hash, record.lockedUntil, record.through,
                record.proven, record.proven, object,
            ])
        } else {
            try db.cachedStatement(
                sql: """
                    INSERT INTO object(remote, name, server, bytes, hash, until, through, recorded,
                                       proven)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
                    """
            ).execute(arguments: [
                remote, record.name, record.serverName, record.bytes, record.hash,
                record.lockedUntil, record.through, record.proven, record.proven,
            ])
            object = db.lastInsertedRowID
        }
        try place(blobs, in: object, on: remote)
        try db.cachedStatement(sql: "UPDATE remote SET pushed = ? WHERE id = ?")
            .execute(arguments: [record.proven, remote])
    }

    private func place(
        _ blobs: [(instance: Int64, offset: Int64)], in object: Int64, on remote: Int64
    ) throws {
        let find = try db.cachedStatement(
            sql: """
                SELECT object, fault FROM offsite JOIN object ON object.id = offsite.object
                WHERE offsite.remote = ? AND instance = ?
                """)
        let put = try db.cachedStatement(
            sql: "INSERT OR REPLACE INTO offsite(remote, instance, object, offset) VALUES (?,?,?,?)"
        )
        let size = try db.cachedStatement(sql: "SELECT bytes FROM instance WHERE id = ?")
        var (images, bytes) = (Int64(0), Int64(0))
        var left: Set<Int64> = []
        for blob in blobs {
            let before = try Row.fetchOne(find, arguments: [remote, blob.instance])
            let isCounted = before.map { row in
                let fault: String? = row[1]
                return fault == nil
            }
            if isCounted != true {
                images += 1
                bytes += try Int64.fetchOne(size, arguments: [blob.instance]) ?? 0
            }
            if isCounted == false, let row = before { left.insert(row[0]) }
            try put.execute(arguments: [remote, blob.instance, object, blob.offset])
        }
        try add(images, bytes, to: remote)
        // Nothing is expected any more of a bad object whose images lie elsewhere now.
        for bad in left.sorted() {
            try db.cachedStatement(
                sql: """
                    DELETE FROM object WHERE id = ?
                      AND NOT EXISTS (SELECT 1 FROM offsite WHERE object = object.id)
                    """
            ).execute(arguments: [bad])
        }
    }

    /// Adds the images of an object to those that are there, or takes them away.
    private func count(_ object: Int64, _ sign: Int64, on remote: Int64) throws {
        let row = try Row.fetchOne(
            db.cachedStatement(
                sql: """
                    SELECT count(*), coalesce(sum(instance.bytes), 0)
                    FROM offsite JOIN instance ON instance.id = offsite.instance WHERE object = ?
                    """), arguments: [object])
        guard let row else { return }
        let (images, bytes): (Int64, Int64) = (row[0], row[1])
        try add(sign * images, sign * bytes, to: remote)
    }

    private func add(_ images: Int64, _ bytes: Int64, to remote: Int64) throws {
        if images == 0, bytes == 0 { return }
        try db.cachedStatement(
            sql: "UPDATE remote SET images = images + ?, bytes = bytes + ? WHERE id = ?"
        ).execute(arguments: [images, bytes, remote])
    }

    private func setFault(_ fault: String?, of name: String, on remote: Int64) throws {
        let known = try Row.fetchOne(
            db.cachedStatement(sql: "SELECT id, fault FROM object WHERE remote = ? AND name = ?"),
            arguments: [remote, name])
        guard let known else { return }
        let (object, before): (Int64, String?) = (known[0], known[1])
        if (before == nil) != (fault == nil) {
            try count(object, fault == nil ? 1 : -1, on: remote)
        }
        try db.cachedStatement(sql: "UPDATE object SET fault = ? WHERE id = ?")
            .execute(arguments: [fault, object])
    }

    /// Notes a comparison with a listing. Objects without a fault are as they should be.
    ///
    /// - Parameters:
    ///   - name: The remote.
    ///   - time: When, ns since 1970.
    ///   - rolledBack: How many of the newest objects are gone together.
    ///   - faults: Names of objects, and what is wrong with each.
    ///   - isMore: Whether these faults come to those of the record before.
    /// - Throws: GRDB's `DatabaseError` when SQLite fails.
    public func noteCheck(
        ofRemote name: String, at time: Int64, rolledBack: Int64,
        faults: [(object: String, fault: String)], isMore: Bool
    ) throws {
        guard let remote = try remoteID(name) else { return }
        if !isMore {
            let bad = try String.fetchAll(
                db,
                sql: """
                    SELECT name FROM object WHERE remote = ? AND fault IS NOT NULL
                    ORDER BY id
                    """, arguments: [remote])
            for object in bad { try setFault(nil, of: object, on: remote) }
        }
        for (object, fault) in faults { try setFault(fault, of: object, on: remote) }
        try db.execute(
            sql: "UPDATE remote SET checked = ?, rolled_back = ? WHERE id = ?",
            arguments: [time, rolledBack, remote])
    }

    /// Notes that objects were read whole.
    ///
    /// - Parameters:
    ///   - name: The remote.
    ///   - time: When, ns since 1970.
    ///   - good: Names of objects with the right bytes.
    ///   - faults: Names of others, and what is wrong with each.
    /// - Throws: GRDB's `DatabaseError` when SQLite fails.
    public func noteProof(
        ofRemote name: String, at time: Int64, good: [String],
        faults: [(object: String, fault: String)]
    ) throws {
        guard let remote = try remoteID(name) else { return }
        for object in good {
            try db.cachedStatement(
                sql: "UPDATE object SET proven = ? WHERE remote = ? AND name = ?"
            ).execute(arguments: [time, remote, object])
        }
        for (object, fault) in faults { try setFault(fault, of: object, on: remote) }
    }

    /// Notes an attempt to destroy objects.
    ///
    /// - Throws: GRDB's `DatabaseError` when SQLite fails.
    public func noteWipeTest(ofRemote name: String, _ test: RemoteRecord.WipeTest) throws {
        try db.execute(
            sql: """
                UPDATE remote SET wiped = ?, overwrite = ?, delete_ = ?, shorten = ?
                WHERE name = ?
                """, arguments: [test.time, test.overwrite, test.delete, test.shorten, name])
    }
}
