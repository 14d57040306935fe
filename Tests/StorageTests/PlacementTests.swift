import Testing

@testable import Storage

@Suite("Placement") struct PlacementTests {
    private func volume(
        _ ordinal: Int, _ domain: String, _ freeSpace: Int64?, takesFiles: Bool = true,
        disk: Int? = nil
    ) -> Placement.Candidate {
        Placement.Candidate(
            ordinal: ordinal, domain: domain, freeSpace: freeSpace, takesFiles: takesFiles,
            disk: disk)
    }

    @Test("takes volumes on different disks before those with more space, or other domains")
    func disks() throws {
        let volumes = [
            volume(1, "a", 900, disk: 1), volume(2, "b", 1000, disk: 1),
            volume(3, "b", 10, disk: 2), volume(4, "c", 5, disk: 1),
        ]
        #expect(try Placement.choose(copies: 2, bytes: 5, among: volumes) == [2, 3])
        #expect(try Placement.choose(copies: 2, bytes: 5, among: volumes, holding: [1]) == [3])
        // On one disk, other domains are better than nothing.
        #expect(try Placement.choose(copies: 2, bytes: 50, among: volumes) == [2, 1])
        #expect(try Placement.choose(copies: 3, bytes: 5, among: volumes, holding: [2, 3]) == [1])
    }

    @Test("takes the volumes with the most free space in different domains") func domains() throws {
        let volumes = [
            volume(1, "a", 900), volume(2, "a", 1000), volume(3, "b", 10), volume(4, "c", 20),
        ]
        #expect(
            try Placement.choose(copies: 2, bytes: 5, among: volumes)
                == [2, 4])
        #expect(try Placement.choose(copies: 3, bytes: 5, among: volumes) == [2, 4, 3])
    }

    @Test("takes different volumes of one domain when it must") func shared() throws {
        let volumes = [volume(1, "a", 900), volume(2, "a", 1000), volume(3, "b", 10)]
        #expect(
            try Placement.choose(copies: 2, bytes: 50, among: volumes)
                == [2, 1])
        #expect(
            try Placement.choose(copies: 3, bytes: 5, among: volumes)
                == [2, 3, 1])
    }

    @Test("takes the lower ordinal of equals, whatever their order") func ties() throws {
        let volumes = [volume(3, "c", 7), volume(1, "a", 7), volume(2, "b", 7)]
        #expect(try Placement.choose(copies: 2, bytes: 1, among: volumes) == [1, 2])
    }

    @Test("takes no volume that is absent, closed or too full") func states() throws {
        let volumes = [
            volume(1, "a", nil), volume(2, "b", 9, takesFiles: false), volume(3, "c", 4),
            volume(4, "d", 5),
        ]
        #expect(try Placement.choose(copies: 1, bytes: 5, among: volumes) == [4])
        let few = expectError(.tooFewVolumes) {
            try Placement.choose(copies: 3, bytes: 1, among: volumes)
        }
        #expect(few?.remedy.contains("volume 1") == true)
        expectError(.noSpace) { try Placement.choose(copies: 2, bytes: 5, among: volumes) }
    }

    @Test("adds only the copies that are missing, in domains that have none") func heal() throws {
        let volumes = [volume(1, "a", 9), volume(2, "a", 99), volume(3, "b", 5)]
        #expect(
            try Placement.choose(copies: 2, bytes: 5, among: volumes, holding: [1])
                == [3])
        #expect(
            try Placement.choose(copies: 2, bytes: 5, among: volumes, holding: [1, 3])
                == [])
        #expect(
            try Placement.choose(copies: 2, bytes: 8, among: volumes, holding: [1])
                == [2])
    }
}
