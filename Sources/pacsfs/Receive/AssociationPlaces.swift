import System

/// Who may have an association when there are only so many places.
///
/// A sender's address gets one more place as long as it has fewer than are free (``Shares``), so
/// that others always find some. An address that has its share gets one more only in place of an
/// association of its own that is silent; when no place is free at all, any silent one goes.
struct AssociationPlaces {
    /// What is known of an association.
    struct Held {
        let address: String
        /// When something was last heard of it, monotonic ns.
        var lastHeard: Int64
        /// Whether its request has not come yet.
        var isAsking: Bool
    }

    enum Admission: Equatable {
        case admitted
        /// The association of this sender goes, and has to be ended.
        case inPlaceOf(ObjectIdentifier)
        case refused
    }

    /// For so long the others may be silent when places are short, ns.
    struct Patience {
        /// Before their request.
        var asking: Int64 = 1_000_000_000
        var idle: Int64 = 60_000_000_000
    }

    /// How many there are. Each has a thread, a process and up to half a megabyte.
    let total: Int
    let patience: Patience

    init(total: Int, patience: Patience = Patience()) {
        (self.total, self.patience) = (total, patience)
    }

    /// Decides on a sender that has just connected.
    ///
    /// - Parameters:
    ///   - address: Its address.
    ///   - held: The associations that there are.
    ///   - now: Monotonic ns.
    func admit(
        _ address: String, among held: [ObjectIdentifier: Held], now: Int64
    ) -> Admission {
        let own = held.values.count { $0.address == address }
        if Shares<String>.mayTake(holding: own, used: held.count, of: total) { return .admitted }
        let silent = held.filter { _, other in
            let limit = other.isAsking ? patience.asking : patience.idle
            return now - other.lastHeard >= limit
                && (other.address == address || own == 0 && held.count >= total)
        }
        guard let longest = silent.min(by: { $0.value.lastHeard < $1.value.lastHeard }) else {
            return .refused
        }
        return .inPlaceOf(longest.key)
    }
}
