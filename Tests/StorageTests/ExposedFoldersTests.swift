import Testing

@testable import Storage

@Suite("Folders that others can change")
struct ExposedFoldersTests {
    @Test("Modes say nothing on file systems that have none")
    func modes() {
        for type in ["ext4", "xfs", "btrfs", "zfs", "tmpfs", "nfs4", "hfsplus"] {
            #expect(ExposedFolders.hasModes(type, ["rw"]), "\(type)")
        }
        for type in ["vfat", "exfat", "ntfs3", "cifs", "fuseblk", "fuse.sshfs", "fuse"] {
            #expect(!ExposedFolders.hasModes(type, ["rw", "allow_other"]), "\(type)")
        }
        #expect(ExposedFolders.hasModes("fuse.mergerfs", ["rw", "default_permissions"]))
        #expect(ExposedFolders.hasOwners("ext4", []) && !ExposedFolders.hasOwners("nfs4", []))
    }
}
