import Foundation
import SyntheticStudy
import TestSupport
import Testing

/// Users who try everything that could stop the others, on disks that have trouble.
///
/// `Attack/attacker.py` says what they try, `Attack/judge.py` what must hold meanwhile.
@Suite(
    "Attackers", .serialized, .enabled(if: PacsfsProgram.canMount, PacsfsProgram.cannotMount),
    .enabled(if: LosableDisk.isPossible, "loop devices and other users need root"),
    // Beside other tests it takes the machine from them for minutes.
    .enabled(
        if: ProcessInfo.processInfo.environment["PACSFS_ATTACK_OPERATIONS"] != nil,
        "PACSFS_ATTACK_OPERATIONS is not set"))
struct AttackTests {
    private static let environment = ProcessInfo.processInfo.environment
    /// `PACSFS_ATTACK_OPERATIONS`: all users together.
    private static let operations =
        environment["PACSFS_ATTACK_OPERATIONS"].flatMap(Int.init) ?? 10_000
    /// `PACSFS_ATTACK_SEED`: that a failed test printed.
    private static let seed =
        environment["PACSFS_ATTACK_SEED"].flatMap(UInt32.init) ?? .random(in: 0..<1_000_000)

    @Test(
        """
        Four users and failing disks cannot keep another from copying and reading images, nor \
        the archive from starting
        """)
    func attack() throws {
        var disks: [LosableDisk] = []
        defer { for disk in disks { disk.unmount() } }
        let patience = 2
        try MountedArchive.with(
            minimumCopies: 1,
            prepare: { archive in
                for path in archive.volumes {
                    disks.append(try LosableDisk(at: path, megabytes: 768))
                }
                // Other users reach the images.
                chmod(archive.folder.path, 0o711)
            }
        ) { archive in
            defer { for disk in disks { disk.unmount() } }
            try archive.configure {
                $0.replacing(/(?m)^patience = .*$/, with: "patience = \(patience)")
            }
            try archive.unmount()
            try archive.mount()
            let study = SyntheticStudy(
                seed: 7, modality: .computedTomography, series: 2, imagesPerSeries: 60, side: 32)
            for (number, image) in study.images().enumerated() {
                let half = number % 2 == 0 ? "a" : "b"
                try Files.write(
                    image.write(), to: "\(archive.work)/images/\(half)\(number).dcm")
            }
            try archive.mustShell("\"$PACSFS\" import images/a* >/dev/null")
            let judge = String(#filePath.dropLast("AttackTests.swift".count)) + "Attack/judge.py"
            let run = try archive.run(
                [
                    "python3", judge, archive.mountpoint, archive.archive, archive.volumes[0],
                    archive.volumes[1], archive.work + "/images", "\(Self.seed)",
                    "\(Self.operations)", "\(patience)",
                ],
                environment: [
                    "PACSFS": PacsfsProgram.path ?? "pacsfs", "PYTHONDONTWRITEBYTECODE": "1",
                    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                ], timeout: 400)
            #expect(run.succeeded, "PACSFS_ATTACK_SEED=\(Self.seed): \(run.report)")
            try archive.unmount()
        }
    }
}
