import Archive
import Foundation
import Glibc
import Storage
import System
import TagIndex
import TemporaryArchive
import Testing

@testable import FuseServer

@Suite("Extended attributes, without a mount")
struct ExtendedAttributeTests {
    private let temporary: TemporaryArchive
    private let archive: Archive
    private let fileSystem: FileSystem
    private let number = InodeNumber.instance(1).rawValue

    init() throws {
        temporary = try TemporaryArchive()
        archive = try Archive(at: temporary.path, log: temporary.log.logger)
        fileSystem = FileSystem(
            archive: archive, negotiation: InitNegotiation(wantsPassthrough: false),
            permissions: .everybody)
        _ = try archive.ingest(image(1), in: temporary.folder)
    }

    private func value(_ name: String, of number: UInt64? = nil) throws -> String {
        String(
            decoding: try fileSystem.extendedAttribute(name, of: number ?? self.number),
            as: UTF8.self)
    }

    @Test("An image has its attributes, digest, copies and times")
    func image1() throws {
        let details = try #require(try archive.index.read { try $0.details(1) })
        let list = try fileSystem.extendedAttributeNames(of: number)
        #expect(list.last == 0)
        let names = list.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
        #expect(Set(names).count == names.count)
        for (attribute, text) in details.attributes.present where !text.isEmpty {
            #expect(try value("user.dicom." + attribute.keyword) == text)
            #expect(names.contains("user.dicom." + attribute.keyword))
        }
        #expect(try value("user.dicom.ImageType").contains("\\"))
        #expect(try value("user.pacsfs.sha256") == Digest.of(image(1)).hex)
        #expect(try value("user.pacsfs.copies") == "2")
        #expect(
            try value("user.pacsfs.received")
                == Timestamp(nanoseconds: details.received).description)
        #expect(try value("user.pacsfs.original-path") == "/data/image.dcm")
        #expect(names.count { $0.hasPrefix("user.pacsfs.") } == 5)
    }

    @Test("The time of verification is that of the copy that was read longest ago")
    func verified() throws {
        let received = try #require(try archive.index.read { try $0.details(1) }).received
        try archive.index.write { writer in
            try writer.noteCopy(of: 1, on: 1, verified: received + 1_000)
            try writer.noteCopy(of: 1, on: 2, verified: received + 2_000)
        }
        #expect(
            try value("user.pacsfs.verified")
                == Timestamp(nanoseconds: received + 1_000).description)
        let folder = Digest.of(image(1)).bytes[0]
        try archive.index.write {
            try $0.noteScrub(of: folder, on: 1, errors: 0, at: received + 3_000)
        }
        #expect(
            try value("user.pacsfs.verified")
                == Timestamp(nanoseconds: received + 2_000).description)
    }

    @Test("A missing attribute is ENODATA, and a namespace that no file has is EOPNOTSUPP")
    func absent() throws {
        for name in [
            "user.dicom.PatientComments", "user.dicom.", "user.dicom.patientname", "user.pacsfs.x",
            "user.x",
        ] {
            #expect(throws: Errno(ENODATA)) { try value(name) }
        }
        for name in ["system.posix_acl_access", "security.capability", "trusted.overlay.opaque"] {
            #expect(throws: Errno(EOPNOTSUPP)) { try value(name) }
        }
        for number in [
            1, FixedEntry.readme.number, FixedEntry.incoming.number, InodeNumber.node(1).rawValue,
        ] {
            #expect(try fileSystem.extendedAttributeNames(of: number) == [])
            #expect(throws: Errno(ENODATA)) { try value("user.pacsfs.sha256", of: number) }
        }
        #expect(throws: Errno(ESTALE)) {
            try value("user.pacsfs.sha256", of: InodeNumber.instance(99).rawValue)
        }
    }

    @Test(
        """
        Nobody sets an attribute: EPERM for ours, EROFS in the views; in incoming ours are \
        dropped, and ENOTSUP for others
        """)
    func setting() throws {
        let incoming = FixedEntry.incoming.number
        for name in ["user.dicom.PatientName", "user.pacsfs.reason"] {
            #expect(fileSystem.refusal(ofAttribute: name, of: number) == Errno(EPERM))
            #expect(fileSystem.refusal(ofAttribute: name, of: incoming) == nil)
        }
        #expect(fileSystem.refusal(ofAttribute: "user.x", of: number) == Errno(EROFS))
        #expect(fileSystem.refusal(ofAttribute: "user.x", of: incoming) == Errno(ENOTSUP))
    }
}
