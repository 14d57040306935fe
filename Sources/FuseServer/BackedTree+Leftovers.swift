import Archive
import Glibc

extension BackedTree {
    /// Takes up what an earlier run left: files that could not be archived then are tried
    /// again, and those under temporary names wait for their rename.
    func takeUpLeftovers() {
        locked { takeUp(in: root) }
    }

    private func takeUp(in directory: BackedNode) {
        guard let entries = try? names(in: directory) else { return }
        for name in entries {
            guard let node = try? child(name, of: directory) else { continue }
            if let file = node.file {
                unsettled[node.number] = node
                guard !node.isTemporary else { continue }
                file.state.withLock { state in
                    state.isChanged = true
                    state.digest = nil
                    state.lastUse = 0
                }
            } else {
                takeUp(in: node)
                node.hadFiles = true
                vanishing[node.number] = node
            }
        }
    }
}
