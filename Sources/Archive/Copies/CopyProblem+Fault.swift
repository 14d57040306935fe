import Storage

extension CopyProblem {
    /// The word of the ledger for a fault.
    init(_ fault: BlobFault) {
        self =
            switch fault {
            case .missing: .missing
            case .wrongSize: .truncated
            case .altered: .altered
            case .unreadable: .unreadable
            }
    }
}
