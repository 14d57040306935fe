import Testing

@testable import Offsite

@Suite("A remote's configuration") struct RemoteTests {
    @Test("names folders, sections and connection strings") func written() throws {
        #expect(try RemoteLocation.Written("/mnt/nas/") == .folder("/mnt/nas/"))
        #expect(RemoteLocation(folder: "/mnt/nas//").path == "/mnt/nas")
        #expect(try RemoteLocation.Written("b2:a/b:c") == .section("b2", path: "a/b:c"))
        #expect(
            try RemoteLocation.Written(
                #":webdav,url="https://a:1/x,y",user='o''neil',pass=a=b,flag:images/x/"#)
                == .complete(
                    RemoteLocation(
                        options: [
                            "type": "webdav", "url": "https://a:1/x,y", "user": "o'neil",
                            "pass": "a=b", "flag": "true",
                        ], path: "images/x")))
        for text in ["", "images", "b2", ":s3", ":s3,a=b", ":s3,a=\"b:c"] {
            #expect(throws: OffsiteError.self) { try RemoteLocation.Written(text) }
        }
    }

    @Test("is refused where it makes no sense") func refused() {
        let folder = RemoteLocation(folder: "/x")
        for name in ["", "A", "a b", "-a", "ä", String(repeating: "a", count: 33)] {
            #expect(throws: OffsiteError.self) {
                try RemoteConfiguration(name: name, location: folder)
            }
        }
        for rate in [0, -1, 1023] as [Int64] {
            #expect(throws: OffsiteError.self) {
                try RemoteConfiguration(name: "a", location: folder, bandwidth: rate)
            }
        }
        for location in [
            RemoteLocation(folder: "x"), RemoteLocation(options: ["type": "crypt"], path: "a"),
            RemoteLocation(options: [:], path: "a"),
            RemoteLocation(options: ["type": "s3"], path: "a\nb"),
        ] {
            #expect(throws: OffsiteError.self) {
                try RemoteConfiguration(name: "a", location: location)
            }
        }
    }

    @Test("becomes variables, and nothing else of this process does") func variables() {
        let environment = RcloneEnvironment(
            RemoteLocation(
                options: ["type": "s3", "access_key_id": "k", "force-path-style": "true"],
                path: "b/p"), obscured: CryptKeys(password: "p1", salt: "p2"),
            inheriting: [
                "PATH": "/bin", "HOME": "/root", "RCLONE_DRY_RUN": "true",
                "RCLONE_CONFIG": "/x", "AWS_PROFILE": "x", "https_proxy": "http://p",
            ])
        #expect(
            environment.variables == [
                "PATH": "/bin", "HOME": "/root", "https_proxy": "http://p", "LC_ALL": "C.UTF-8",
                "RCLONE_CONFIG": "/dev/null", "RCLONE_ASK_PASSWORD": "false",
                "RCLONE_USE_JSON_LOG": "true", "RCLONE_CONFIG_BASE_TYPE": "s3",
                "RCLONE_CONFIG_BASE_ACCESS_KEY_ID": "k",
                "RCLONE_CONFIG_BASE_FORCE_PATH_STYLE": "true", "RCLONE_CONFIG_SEALED_TYPE": "crypt",
                "RCLONE_CONFIG_SEALED_REMOTE": "base:b/p", "RCLONE_CONFIG_SEALED_PASSWORD": "p1",
                "RCLONE_CONFIG_SEALED_PASSWORD2": "p2",
            ])
    }

    @Test("has keys that nobody guesses and anybody can type") func keys() {
        let all = (0..<50).flatMap { _ in
            let keys = CryptKeys.generated()
            return [keys.password, keys.salt]
        }
        #expect(Set(all).count == 100)
        for key in all { #expect(key.wholeMatch(of: /([a-z2-7]{4}-){7}[a-z2-7]{4}/) != nil) }
        let digits = Set(all.joined()).subtracting("-")
        #expect(digits.count == 32)
    }

    @Test("has hours, also over midnight") func hours() throws {
        let night = try #require(PushHours("19:00-7:30"))
        #expect(night.description == "19:00-07:30")
        let day = try #require(PushHours("07:30-19:00"))
        for minute in 0..<1440 {
            #expect(night.contains(minute) != day.contains(minute))
            for hours in [night, day] {
                let wait = hours.wait(from: minute)
                #expect(hours.contains((minute + wait) % 1440))
                #expect((0..<wait).allSatisfy { !hours.contains((minute + $0) % 1440) })
                let left = hours.left(at: minute)
                #expect((0..<left).allSatisfy { hours.contains((minute + $0) % 1440) })
                #expect(!hours.contains((minute + left) % 1440))
            }
        }
        for text in [
            "", "1", "7-9", "7:00-7:00", "24:00-1:00", "7:60-8:00", "7:0-8:00", "+7:00-8:00",
        ] {
            #expect(PushHours(text) == nil, "\(text)")
        }
    }
}
