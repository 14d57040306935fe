// swift-tools-version:6.0
import PackageDescription

// A target imports only what stands above it in this list.
let package = Package(
    name: "pacsfs",
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
        .package(url: "https://github.com/apple/swift-crypto", "3.0.0"..<"5.0.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.6.0"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.0.0"),
        .package(url: "https://github.com/LebJe/TOMLKit", from: "0.6.0"),
    ],
    targets: [
        .systemLibrary(
            name: "CFuse3", pkgConfig: "fuse3", providers: [.apt(["libfuse3-dev"])]),
        .systemLibrary(
            name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),

        .systemLibrary(
            name: "CArchive", pkgConfig: "libarchive", providers: [.apt(["libarchive-dev"])]),

        // Constants and calls of Linux that Swift's Glibc module leaves out; no C sources.
        .systemLibrary(name: "CLinux"),
        // Descriptors, directories, /proc, threads, locks and clocks; below everything.
        .target(name: "System", dependencies: ["CLinux"]),

        .target(name: "DICOM", dependencies: ["CZlib", "System"]),
        .target(name: "Naming", dependencies: ["DICOM", "System"]),
        // The JSON of the ledger, the identity file and the index; knows none of them.
        .target(name: "JSON"),
        .target(
            name: "Storage",
            dependencies: [
                "CLinux", "JSON", "System", .product(name: "Crypto", package: "swift-crypto"),
            ]),

        // Everything that leaves the machine: packs, rclone, and the proof of what lies elsewhere.
        .target(
            name: "Offsite",
            dependencies: [
                "JSON", "Storage", "System", .product(name: "Crypto", package: "swift-crypto"),
            ]),

        .target(
            name: "TagIndex",
            dependencies: [
                "DICOM", "JSON", "Naming", "System", .product(name: "GRDB", package: "GRDB.swift"),
                .product(name: "GRDBSQLite", package: "GRDB.swift"),
            ]),
        .target(
            name: "Archive",
            dependencies: [
                "CArchive", "DICOM", "JSON", "Naming", "Offsite", "System", "TagIndex", "Storage",
                "TOMLKit", .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "Logging", package: "swift-log"),
            ]),
        .target(
            name: "FuseServer",
            dependencies: [
                "CFuse3", "CLinux", "DICOM", "Naming", "System", "TagIndex", "Storage", "Archive",
                .product(name: "Logging", package: "swift-log"),
            ]),
        .executableTarget(
            name: "pacsfs",
            dependencies: [
                "CLinux", "DICOM", "Naming", "Offsite", "System", "TagIndex", "Storage", "Archive",
                "FuseServer",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ]),

        // Makes data, not test doubles: Scripts/run --samples and the benchmarks use it too.
        .target(name: "SyntheticStudy", path: "Tests/Support/SyntheticStudy"),

        // Bytes in memory, for tests that read headers.
        .target(
            name: "DICOMSupport", dependencies: ["DICOM"], path: "Tests/Support/DICOMSupport"),

        // What every test may need: folders and disks of its own, the corpus, and programs as
        // people run them.
        .target(name: "TestSupport", dependencies: ["System"], path: "Tests/Support/TestSupport"),

        // A thread of a test that becomes another user; no C sources.
        .systemLibrary(name: "CThread", path: "Tests/Support/CThread"),

        // An archive for one test, and a look at its tables.
        .target(
            name: "TemporaryArchive",
            dependencies: [
                "CArchive", "System", "Storage", "Archive", "TestSupport",
                .product(name: "GRDB", package: "GRDB.swift"),
                .product(name: "Logging", package: "swift-log"),
            ], path: "Tests/Support/TemporaryArchive"),

        // Servers that remotes are on, and remotes on them.
        .target(
            name: "OffsiteSupport", dependencies: ["Offsite", "System", "TestSupport"],
            path: "Tests/Support/OffsiteSupport"),

        .executableTarget(
            name: "synthesize", dependencies: ["SyntheticStudy"],
            path: "Scripts/benchmarks/Sources/synthesize"),

        .executableTarget(
            name: "parsebench", dependencies: ["DICOM", "System"],
            path: "Scripts/benchmarks/Sources/parsebench"),

        .testTarget(name: "SystemTests", dependencies: ["CLinux", "System", "TestSupport"]),
        .testTarget(
            name: "SyntheticStudyTests",
            dependencies: ["SyntheticStudy", "DICOM", "DICOMSupport"]),
        .testTarget(
            name: "DICOMTests",
            dependencies: ["DICOM", "DICOMSupport", "CZlib", "SyntheticStudy", "TestSupport"]),
        .testTarget(name: "NamingTests", dependencies: ["DICOM", "Naming", "SyntheticStudy"]),
        .testTarget(
            name: "StorageTests",
            dependencies: ["JSON", "System", "Storage", "SyntheticStudy", "TestSupport"]),
        .testTarget(
            name: "OffsiteTests",
            dependencies: [
                "Offsite", "OffsiteSupport", "Storage", "System", "SyntheticStudy", "TestSupport",
            ]),
        // Real mounts and real programs: what users rely on.
        .testTarget(
            name: "MountTests",
            dependencies: [
                "Archive", "CLinux", "CThread", "JSON", "Offsite", "OffsiteSupport", "Storage",
                "System", "SyntheticStudy", "TestSupport", "pacsfs",
            ],
            exclude: ["Attack"]),
        // What is left after every crash, fault and power cut.
        .testTarget(
            name: "FaultTests",
            dependencies: ["System", "Storage", "SyntheticStudy", "TestSupport", "pacsfs"],
            exclude: ["interposer"]),
        .testTarget(
            name: "TagIndexTests",
            dependencies: [
                "DICOM", "Naming", "System", "TagIndex", "SyntheticStudy", "TemporaryArchive",
                "TestSupport",
            ]),
        .testTarget(
            name: "ArchiveTests",
            dependencies: [
                "DICOM", "JSON", "Naming", "Offsite", "OffsiteSupport", "System", "TagIndex",
                "Storage", "Archive", "SyntheticStudy", "TemporaryArchive", "TestSupport",
            ]),
        .testTarget(
            name: "FuseServerTests",
            dependencies: [
                "CFuse3", "System", "TagIndex", "Storage", "Archive", "FuseServer",
                "SyntheticStudy",
                "TemporaryArchive", "TestSupport",
            ]),
    ],
    swiftLanguageModes: [.v6]
)

// A warning stops the build that tests run on. A release build goes through, since a later
// compiler may warn of what this one accepts.
for target in package.targets where target.type != .system {
    target.swiftSettings = [
        .unsafeFlags(["-warnings-as-errors"], .when(configuration: .debug))
    ]
}
