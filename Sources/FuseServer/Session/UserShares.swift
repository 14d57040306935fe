import Archive
import Glibc
import System

/// What the daemon holds for users, so that one cannot take what all need: each user has a share,
/// by the uid of its requests.
final class UserShares: Sendable {
    typealias Place = Shares<uid_t>.Place

    /// What programs have open: each may be a descriptor of the daemon.
    private let open: Shares<uid_t>
    /// Files and folders of `/incoming`, which are remembered until they settle.
    private let names: Shares<uid_t>
    private let refusals: ShareRefusals

    /// About 1 KiB of memory each.
    static let mostNames = 400_000

    init(
        open: Int = DescriptorBudget.current.users, names: Int = mostNames, refusals: ShareRefusals
    ) {
        self.open = Shares(total: open)
        self.names = Shares(total: names)
        self.refusals = refusals
    }

    /// Counts something that a user opens.
    ///
    /// - Throws: `EMFILE` when the user has its share open.
    func open(by user: uid_t) throws(Errno) -> Place {
        guard let place = open.take(user) else {
            refusals.note(.openFiles, of: user)
            throw Errno(EMFILE)
        }
        return place
    }

    /// Counts a name that a user makes in `/incoming`.
    ///
    /// - Throws: `EDQUOT` when the user has its share of them.
    func name(by user: uid_t) throws(Errno) -> Place {
        guard let place = names.take(user) else {
            refusals.note(.incomingNames, of: user)
            throw Errno(EDQUOT)
        }
        return place
    }
}

/// How the descriptors that the daemon may have are divided.
struct DescriptorBudget {
    /// For what programs have open.
    let users: Int
    /// For the rest: volumes, ledger, index, files on their way into the archive, images that were
    /// open before.
    let reserve: Int

    /// More are of no use, and each takes memory.
    private static let mostUsers = 262_144
    private static let fullReserve = 2048

    /// - Parameter limit: How many descriptors the daemon may have.
    init(limit: Int) {
        reserve = min(Self.fullReserve, limit / 2)
        users = min(limit - reserve, Self.mostUsers)
    }

    /// What `RLIMIT_NOFILE` allows.
    ///
    /// See: 'man 2 getrlimit'
    static var current: DescriptorBudget {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return DescriptorBudget(limit: Int(clamping: limit.rlim_cur))
    }

    /// How many images that nobody has open may keep their descriptors.
    var unusedImages: Int { reserve / 4 }
}
