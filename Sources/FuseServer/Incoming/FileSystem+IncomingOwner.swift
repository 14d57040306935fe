import Archive

extension FileSystem: IncomingOwner {
    func movedStaging() { followStaging() }

    func tookOver(incoming path: [UInt8]) { incoming.takeUp(path) }
}
