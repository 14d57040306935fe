import Archive
import DICOM
import Glibc
import SyntheticStudy
import Testing

@Suite("Headers of open files")
struct FileDescriptorSourceTests {
    @Test("A header is read through a descriptor, and as far as the file goes if it has shrunk")
    func descriptor() throws {
        let path = "/tmp/pacsfs-source-test-\(getpid())-\(UInt32.random(in: 0...(.max)))"
        let descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        try #require(descriptor >= 0)
        defer {
            close(descriptor)
            unlink(path)
        }
        let bytes = try #require(SampleArchive.files().first).bytes
        try #require(write(descriptor, bytes, bytes.count) == bytes.count)
        let source = try FileDescriptorSource(descriptor: descriptor)
        #expect(source.size == UInt64(bytes.count))
        var reader = HeaderReader()
        let whole = try reader.read(source)
        let name = try #require(whole[.patientName])
        #expect(!name.isEmpty && whole.flags == [])
        // Rows is (0028,0010), explicit little endian; the file now ends within its head.
        let rows = try #require(bytes.firstRange(of: [0x28, 0x00, 0x10, 0x00])).lowerBound
        #expect(ftruncate(descriptor, off_t(rows + 4)) == 0)
        let shrunk = try reader.read(source)
        #expect(shrunk[.patientName] == name)
        #expect(shrunk.flags == .truncated)
    }

    @Test("A descriptor that cannot be read is an io error with the reason")
    func badDescriptor() {
        do throws(ReadError) {
            _ = try FileDescriptorSource(descriptor: -1)
            Issue.record("no error")
        } catch {
            #expect(error.code == .io && error.offset == 0)
            #expect(error.message == "The size of the file cannot be read")
            #expect("\(error)".contains("Bad file descriptor"), "\(error)")
        }
        var reader = HeaderReader()
        do throws(ReadError) {
            _ = try reader.read(FileDescriptorSource(descriptor: -1, size: 100))
            Issue.record("no error")
        } catch {
            #expect(error.code == .io)
            #expect(error.message == "The file cannot be read")
            #expect("\(error)".contains("Bad file descriptor"), "\(error)")
        }
    }
}
