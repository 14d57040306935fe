import Storage
import Testing

@testable import Archive

/// What the first line of `pacsfs status` says.
@Suite("Are we safe?")
struct HealthTests {
    private func status(_ change: (inout ArchiveStatus) -> Void = { _ in }) -> Health {
        func volume(_ number: Int) -> ArchiveStatus.Volume {
            .init(
                ordinal: number, id: "\(number)", path: "/mnt/\(number)", domain: "d\(number)",
                state: .online,
                problem: nil, blobs: 100, free: 1 << 40, total: 1 << 41, errors: 0, scrubbed: nil)
        }
        var status = ArchiveStatus(
            health: .init(level: .safe, headline: "", reasons: []), archive: "/a", instances: 100,
            studies: 5,
            patients: 4, blobs: 100, bytes: 1 << 20,
            copies: .init(
                wanted: 2, minimum: 1, underReplicated: 0, single: 0, lost: 0, lostImages: []),
            volumes: [volume(1), volume(2)], readMode: nil, mountpoint: nil,
            incoming: .init(pending: 0),
            rejected: 0, ledger: .init(records: 1, head: "", ordinals: [1, 2]),
            freeSpace: .init(bytes: 1 << 40, bytesPerDay: 1 << 20, daysLeft: 1 << 20),
            resilver: ResilverProgress())
        change(&status)
        return Health(of: status)
    }

    @Test("All copies on all volumes: safe, and said so in a sentence")
    func safe() {
        let health = status()
        #expect(health.level == .safe && health.reasons.isEmpty)
        #expect(
            health.headline == "Safe: all 100 images are stored 2 times, on 2 different disks.")
        #expect(status { $0.instances = 0 }.headline == "Ready: the archive is empty.")
        #expect(status { $0.instances = 1 }.headline.hasPrefix("Safe: the image is"))
    }

    @Test("What verify found is in the first line until it finds nothing more")
    func verification() {
        let day = Timestamp(nanoseconds: 1_795_864_223_000_000_000)
        func status(_ severity: VerificationReport.Finding.Severity) -> Health {
            self.status {
                var report = VerificationReport()
                report.add(.init(severity: severity, reason: "A thing."))
                $0.verification = .init(VerificationNote(report, at: day))
            }
        }
        let health = status(.fault)
        #expect(health.level == .attention)
        #expect(
            health.headline.hasPrefix(
                "ATTENTION: On 2026-11-28, a verification found 1 thing that did not fit."))
        #expect(health.headline.hasSuffix("pacsfs verify"))
        #expect(status(.attention).level == .safe)
    }

    @Test("Lost images, single copies and no volumes are a risk")
    func risk() {
        let lost = status {
            $0.copies.lost = 3
            $0.copies.underReplicated = 3
        }
        #expect(lost.level == .risk)
        #expect(lost.headline.hasPrefix("DATA AT RISK: 3 of 100 images have no good copy left."))
        let single = status {
            $0.copies.single = 1
            $0.copies.underReplicated = 1
            $0.copies.oneDisk = 100
            $0.volumes[1].state = .absent
        }
        #expect(single.level == .attention)
        let unmended = status {
            $0.copies.single = 1
            $0.copies.underReplicated = 1
            $0.copies.oneDisk = 1
        }
        #expect(unmended.level == .risk && unmended.headline.contains("volume add"))
        #expect(
            single.headline == """
                NOT SAFE: /mnt/2 is absent, and all 100 images are on /mnt/1 alone: if that disk \
                fails too, they are lost. New ones are stored there, with a copy less until it is \
                back. Three ways on: plug its disk in and mount it; or put an empty one in its \
                place: pacsfs volume replace /mnt/2 [NEW-DIR]; or add another: pacsfs volume add \
                DIR
                """)
        #expect(single.reasons.count == 1)
        let none = status { for index in 0...1 { $0.volumes[index].state = .absent } }
        #expect(none.level == .risk)
    }

    @Test("Two volumes on one disk are not two copies: the first line says what its loss costs")
    func oneDisk() {
        func trial(_ change: (inout ArchiveStatus) -> Void = { _ in }) -> Health {
            status {
                for index in 0...1 { $0.volumes[index].disk = "/dev/vda1" }
                $0.instances = 1204
                $0.copies.oneDisk = 1204
                change(&$0)
            }
        }
        #expect(trial().level == .attention)
        #expect(
            trial().headline == """
                NOT SAFE: all 1,204 images are stored 2 times, but both volumes are on one disk \
                (/dev/vda1): if it fails, everything is lost. That is fine for trying; for images \
                that matter, add a volume on another disk: pacsfs volume add DIR
                """)
        // It hides nothing else.
        let full = trial { $0.freeSpace.bytes = 0 }
        #expect(
            full.headline.hasPrefix("NOT SAFE: all 1,204 images")
                && full.headline.contains("Also: The volumes are full"))
        #expect(trial { $0.copies.lost = 1 }.headline.hasPrefix("DATA AT RISK"))
        let empty = trial { ($0.instances, $0.copies.oneDisk) = (0, 0) }
        #expect(empty.level == .safe && empty.headline.contains("on one disk (/dev/vda1)"))
        // Some of the images, where volumes share one of several disks.
        let some = status {
            $0.copies.oneDisk = 3
            $0.copies.fewDisks = 3
            $0.volumes.append($0.volumes[1])
            $0.volumes[0].disk = "/dev/sda"
            for index in 1...2 { $0.volumes[index].disk = "/dev/sdb" }
        }
        #expect(some.level == .attention)
        #expect(some.headline.hasPrefix("NOT SAFE: 3 of 100 images are on one disk only"))
        // Whoever wants one copy is not safe either.
        let one = status {
            $0.copies.wanted = 1
            $0.copies.oneDisk = 100
        }
        #expect(one.level == .attention)
        #expect(one.headline.hasPrefix("NOT SAFE: all 100 images are stored once"))
        let three = status {
            $0.copies.wanted = 3
            $0.copies.fewDisks = 100
            $0.volumes.append($0.volumes[1])
        }
        #expect(three.headline.hasPrefix("ATTENTION: 100 of 100 images are on fewer than 3 disks"))
    }

    @Test("An archive that is not mounted is of no use to anybody, and says so first")
    func unmounted() {
        var health = status()
        health.add(unmounted: "Mount it: x")
        #expect(health.level == .attention)
        #expect(
            health.headline == """
                NOT MOUNTED: nobody can see images or add any. Mount it: x Safe: all 100 images \
                are stored 2 times, on 2 different disks.
                """)
        var exposed = status { $0.copies.oneDisk = 100 }
        exposed.add(unmounted: "Mount it: x")
        #expect(
            exposed.headline.hasPrefix("NOT SAFE: ")
                && exposed.headline.hasSuffix("nobody can see images or add any. Mount it: x"))
    }

    @Test("More copies wanted than there are volumes wants attention before any image lacks one")
    func moreCopiesThanVolumes() {
        let few = status { $0.copies.wanted = 3 }
        #expect(few.level == .attention, "\(few.reasons)")
        #expect(
            few.headline.contains(
                """
                3 copies of each image are wanted, and only 2 volumes take files: new images are \
                stored 2 times for now. Add a volume: pacsfs volume add DIR
                """
            ))
        #expect(TooFewVolumes.text(wanted: 2, minimum: 1, takers: 2) == nil)
        let refused = TooFewVolumes.text(wanted: 2, minimum: 2, takers: 1, away: ["/mnt/2"])
        #expect(
            refused?.contains(
                "only one volume takes files: new images are refused. Bring back /mnt/2;") == true)
    }

    @Test("What is mended by itself, or would only stop new images, wants attention")
    func attention() {
        let running = status {
            $0.copies.single = 7
            $0.copies.underReplicated = 7
            $0.resilver.isRunning = true
        }
        #expect(running.level == .attention && running.headline.contains("being made now"))
        let absent = status { $0.volumes[0].state = .absent }
        #expect(absent.level == .attention && absent.headline.contains("New ones are stored there"))
        let refusing = status {
            $0.volumes[0].state = .absent
            $0.copies.minimum = 2
            $0.copies.oneDisk = 100
        }
        #expect(
            refusing.headline.contains("New ones are refused until it is back (min_copies = 2)"))
        #expect(refusing.headline.contains("on /mnt/2 alone"))
        #expect(
            !refusing.reasons.contains { $0.contains("full") }, "too few volumes are no full ones")
        let readOnly = status {
            $0.volumes[0].state = .readOnly
            $0.copies.minimum = 2
        }
        #expect(
            readOnly.headline.contains(
                "refused: each is to be stored on 2 volumes, and only 1 takes files"))
        for state in [VolumeCondition.readOnly, .failing, .retiring] {
            let health = status { $0.volumes[1].state = state }
            #expect(health.level == .attention && health.headline.contains("/mnt/2"), "\(state)")
        }
    }

    @Test("A path that is wrong is told as such, and not as a dead disk to be replaced")
    func wrongPath() {
        let twin = status {
            $0.volumes[1].ordinal = nil
            $0.volumes[1].state = .absent
            $0.volumes[1].problem = "this is a copy of the volume /mnt/1"
        }
        #expect(
            twin.headline == "ATTENTION: /mnt/2 cannot be used: this is a copy of the volume /mnt/1"
        )
    }

    @Test("A damaged index is told as long as it is used, with what mends it")
    func damagedIndex() {
        let damaged = status { $0.indexDamage = "database disk image is malformed" }
        #expect(damaged.level == .attention)
        #expect(
            damaged.headline.contains("folders may lack images")
                && damaged.headline.contains("mount it again"))
    }

    @Test("More copies than there are volumes: a volume is asked for")
    func fewVolumes() {
        let few = status {
            $0.copies.wanted = 3
            $0.copies.underReplicated = 100
        }
        #expect(
            few.headline
                == """
                ATTENTION: 100 of 100 images have fewer than 3 copies. Add a volume: pacsfs \
                volume add DIR
                """
        )
    }

    @Test("Room that will not last a month is told in days; a full disk as such")
    func room() {
        #expect(status { $0.freeSpace.daysLeft = 12 }.headline.contains("about 12 days"))
        #expect(status { $0.freeSpace.daysLeft = 31 }.level == .safe)
        #expect(status { $0.freeSpace.daysLeft = nil }.level == .safe)
        #expect(status { $0.freeSpace.bytes = 1 << 19 }.headline.contains("are full: new images"))
        #expect(
            status { $0.freeSpace.bytes = 60_000_000 }.headline.contains(
                "The volumes are nearly full: 60 MB of images fit."))
    }

    @Test(
        "Room is what fits with all its copies on different volumes",
        arguments: [
            ([100, 100], 2, 100), ([100, 40], 2, 40), ([119, 122, 167], 2, 204),
            ([50, 50, 50], 2, 75), ([70], 1, 70),
            ([10, 20, 1000], 2, 30), ([0, 5], 2, 0), ([30, 30, 30, 30], 3, 40),
        ])
    func fitting(_ sizes: [Int64], _ copies: Int, _ room: Int64) {
        #expect(Capacity.fitting(sizes, copies: copies) == room)
    }
}
