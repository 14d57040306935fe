import Glibc
import System

extension Volume {
    /// Makes a folder a volume of an archive: an empty folder, or a new one in a folder that
    /// exists. A creation that was interrupted can be repeated.
    ///
    /// - Parameters:
    ///   - archive: The archive's id, a UUID.
    ///   - ordinal: The volume's number in the archive, from 1.
    ///   - domain: Its failure domain.
    ///   - reserve: Bytes to keep free; `nil` for ``defaultReserve(ofTotal:)``.
    /// - Throws: `notEmpty` when the folder holds anything else, `permissionDenied` when others can
    ///   change it, or the error of a system call.
    public static func create(
        at path: String, archive: String, ordinal: Int, domain: String, reserve: Int64? = nil,
        disk: DiskCalls? = nil
    ) throws(StorageError) -> Volume {
        guard ordinal > 0, !domain.isEmpty, !archive.isEmpty else {
            throw StorageError(
                .invalidArgument, "a volume needs an archive, a number from 1 and a domain",
                path: path, remedy: "Give all three")
        }
        try makeFolder(at: path)
        let root = try Directory.open(path: path)
        try requireEmpty(root)
        try ExposedFolders.refuse(root)
        for name in Name.layout.sorted() { try root.makeDirectory(name, mode: closedMode) }
        let staging = try root.openDirectory(Name.staging)
        try staging.makeDirectory(Name.incoming)
        try staging.makeDirectory(Name.commit)
        try staging.sync()
        try root.replaceFile(VolumeReadme.name, with: Array(VolumeReadme.text.utf8))
        // The identity comes last: a folder that has one is a whole volume.
        let identity = VolumeIdentity(archive: archive, ordinal: ordinal, domain: domain)
        try root.replaceFile(Name.identity, with: identity.fileContent)
        return try Volume(root: root, identity: identity, reserve: reserve, calls: disk)
    }

    /// Refuses a folder whose content ``create(at:archive:ordinal:domain:reserve:)`` would refuse,
    /// so that of several volumes none is made when one cannot be.
    ///
    /// - Throws: `notEmpty`, `permissionDenied`, or the error of a system call.
    public static func requireUnused(at path: String) throws(StorageError) {
        let root: Directory
        do {
            root = try Directory.open(path: path)
        } catch  where error.code == .notFound {
            return
        }
        try requireEmpty(root)
        try ExposedFolders.refuse(root)
    }

    /// Opens a volume of an archive.
    ///
    /// - Parameters:
    ///   - archive: The archive's id; `nil` opens a volume of any archive, for a rebuild from the
    ///     only volume that is left.
    ///   - disk: Its calls on the disk from now on.
    /// - Throws: `notFound` when the folder is not there, `notAVolume` when it has no identity,
    ///   `wrongArchive`, `newerFormat`, `permissionDenied` when others can change it, or the error
    ///   of a system call.
    public static func open(
        at path: String, archive: String?, reserve: Int64? = nil, disk: DiskCalls? = nil
    ) throws(StorageError) -> Volume {
        try on(disk, at: path) { () throws(StorageError) in
            try openNow(at: path, archive: archive, reserve: reserve, disk: disk)
        }
    }

    private static func openNow(
        at path: String, archive: String?, reserve: Int64?, disk: DiskCalls?
    ) throws(StorageError) -> Volume {
        let root: Directory
        do {
            root = try Directory.open(path: path)
        } catch  where error.code == .notFound {
            var missing = error
            missing.message = "the volume's folder is not there"
            missing.remedy = "Plug in and mount its disk, or correct the path in pacsfs.toml"
            throw missing
        }
        let identity = try readIdentity(in: root)
        if let archive, identity.archive != archive {
            throw StorageError(
                .wrongArchive,
                "the volume belongs to archive \(identity.archive), not to \(archive)",
                path: path, remedy: "Mount the right disk here, or correct the path")
        }
        try ExposedFolders.refuse(root)
        return try Volume(root: root, identity: identity, reserve: reserve, calls: disk)
    }

    private static func readIdentity(
        in root: borrowing Directory
    ) throws(StorageError) -> VolumeIdentity {
        let path = root.path(of: Name.identity)
        let file: Descriptor
        do {
            file = try root.openFile(Name.identity)
        } catch  where error.code == .notFound {
            let isEmpty = try root.entries().allSatisfy { $0 == "lost+found" }
            throw StorageError(
                .notAVolume,
                isEmpty
                    ? "the folder is empty and has no identity file"
                    : "the folder has no identity file \(Name.identity)",
                path: root.path,
                remedy: isEmpty
                    ? """
                    Is the disk mounted? If this is a new one in its place: \
                    pacsfs volume replace VOLUME
                    """
                    : "Is this the right folder? A new volume needs an empty one")
        }
        let facts = try file.facts(path: path)
        guard facts.isRegular, facts.bytes <= 65536 else {
            throw StorageError(
                .corrupt, "the identity file is damaged: it is not a small plain file", path: path,
                remedy: VolumeIdentity.remedy)
        }
        return try VolumeIdentity(
            fileContent: file.bytes(at: 0, count: Int(facts.bytes), path: path),
            path: path)
    }

    private static func makeFolder(at path: String) throws(StorageError) {
        do {
            try call({ .makeDirectory($0, path) }) { mkdir(path, 0o755) }
        } catch  where error.isTaken {
            return
        }
        try Directory.open(path: path + "/..").sync()
    }

    private static func requireEmpty(_ root: borrowing Directory) throws(StorageError) {
        let known = Name.layout.union([
            "lost+found", VolumeReadme.name, VolumeReadme.name + ".tmp", Name.identity + ".tmp",
        ])
        let names = try root.entries()
        guard !names.contains(Name.identity) else {
            throw StorageError(
                .notEmpty, "the folder is a volume already", path: root.path,
                remedy:
                    """
                    Choose an empty folder. If the directory of its archive is lost: pacsfs init \
                    --from \(root.path)
                    """
            )
        }
        for name in names {
            var isOurs = known.contains(name)
            if isOurs, name != Name.staging, Name.layout.contains(name) {
                isOurs = try root.openDirectory(name).entries().isEmpty
            }
            guard isOurs else {
                throw StorageError(
                    .notEmpty, "the folder is not empty: it has \(name)", path: root.path,
                    remedy: "Choose an empty folder; pacsfs overwrites nothing")
            }
        }
    }
}
