import Offsite
import TOMLKit

extension Settings {
    /// How a remote is used: `[offsite.NAME]`. What is needed to reach it is in ``RemoteSecrets``.
    public struct Remote: Sendable, Hashable {
        /// The most bytes a second; `nil` for no limit.
        public var bandwidth: Int64?
        /// When it is pushed to; `nil` for always.
        public var hours: PushHours?
        /// Years for which the server is asked to let nobody delete an object; `nil` for none.
        public var keepYears: Double?
        /// Days in which every object is fetched and hashed once; 0 for never.
        public var checkDays = 180.0
        /// The most bytes that are fetched for that on one day; `nil` for no limit.
        public var checkBytes: Int64?

        public init() {}
    }

    private static let offsiteKeys: Set = [
        "bandwidth", "hours", "keep_years", "check_days", "check_bytes",
    ]

    /// Reads `[offsite.NAME]`.
    mutating func readOffsite(_ table: TOMLTable?) throws {
        guard let table else {
            throw SettingMistake(
                in: "offsite", nil, "Write [offsite.NAME], with the name of a remote.")
        }
        for name in table.keys {
            guard RemoteConfiguration.isName(name), let values = table[name]?.table else {
                throw SettingMistake(
                    in: "offsite", name,
                    "\"\(name)\" is no remote: write [offsite.NAME], with the name of one.")
            }
            remotes[name] = try Self.remote(values, "offsite.\(name)")
        }
    }

    private static func remote(_ table: TOMLTable, _ section: String) throws -> Remote {
        var remote = Remote()
        func mistake(_ key: String, _ text: String) -> SettingMistake {
            SettingMistake(in: section, key, "\"\(key)\" of [\(section)] \(text)")
        }
        if let unknown = table.keys.first(where: { !offsiteKeys.contains($0) }) {
            throw mistake(
                unknown,
                "is not a setting. There are: \(offsiteKeys.sorted().joined(separator: ", ")).")
        }
        func number(_ key: String, _ range: ClosedRange<Double>, _ text: String) throws -> Double? {
            guard let value = table[key] else { return nil }
            guard let number = value.double ?? value.int.map(Double.init), range.contains(number)
            else { throw mistake(key, "must be \(text).") }
            return number
        }
        func rate(_ key: String, _ text: String) throws -> Int64? {
            guard let value = table[key] else { return nil }
            guard let rate = value.string.flatMap(Self.rate) ?? value.int.map(Int64.init),
                rate == 0 || rate >= 1024
            else { throw mistake(key, "must be \(text), or \"0\" for no limit.") }
            return rate == 0 ? nil : rate
        }
        remote.bandwidth = try rate("bandwidth", "bytes a second such as \"500k\"")
        remote.checkBytes = try rate("check_bytes", "bytes a day such as \"2G\"")
        if let value = table["hours"] {
            guard let hours = value.string.flatMap({ PushHours($0) }) else {
                throw mistake("hours", "must be two times of the day such as \"19:00-07:00\".")
            }
            remote.hours = hours
        }
        remote.keepYears = try number("keep_years", 0.001...100, "a number of years up to 100")
        remote.checkDays =
            try number("check_days", 0...3650, "a number of days from 0 (never) to 3650")
            ?? remote.checkDays
        return remote
    }

    /// How a remote is used, whether or not `pacsfs.toml` says anything of it.
    func remote(_ name: String) -> Remote { remotes[name] ?? Remote() }
}
