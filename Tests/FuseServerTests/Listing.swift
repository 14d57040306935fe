import CFuse3

@testable import FuseServer

/// An entry of a directory as it goes to the kernel.
struct Listed: Equatable {
    var inode: UInt64
    var cookie: Int
    var type: UInt32
    var name: String
}

/// The entries in a buffer of `size` bytes: a row of `struct fuse_dirent` (linux/fuse.h).
func list(size: Int, _ fill: (inout DirectoryBuffer) throws -> Void) rethrows -> [Listed] {
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 8)
    defer { memory.deallocate() }
    var buffer = DirectoryBuffer(request: nil, memory: memory)
    try fill(&buffer)
    var entries: [Listed] = []
    var offset = 0
    while offset < buffer.used {
        let length = Int(memory.loadUnaligned(fromByteOffset: offset + 16, as: UInt32.self))
        let name = memory[(offset + 24)..<(offset + 24 + length)]
        entries.append(
            Listed(
                inode: memory.loadUnaligned(fromByteOffset: offset, as: UInt64.self),
                cookie: Int(memory.loadUnaligned(fromByteOffset: offset + 8, as: UInt64.self)),
                type: memory.loadUnaligned(fromByteOffset: offset + 20, as: UInt32.self),
                name: String(decoding: name, as: UTF8.self)))
        offset += (24 + length + 7) & ~7
    }
    return entries
}
