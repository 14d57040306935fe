/// Shows the views of an archive, and learns of changes before those who wait for them are
/// answered.
public protocol ViewObserver: AnyObject, Sendable {
    /// Images were archived. Returns when nobody sees the old state any more; the caller is a
    /// thread that answers no requests of the kernel, and holds no lock.
    ///
    /// - Parameters:
    ///   - nodes: Directories with new entries (`node.id`; 0 for the root).
    ///   - replaced: Images (`instance.id`) whose blob was bad and is good now.
    func published(nodes: Set<Int64>, replaced: [Int64])

    /// The bad blob of an image was replaced by a good one. Returns at once.
    ///
    /// - Parameter image: `instance.id`.
    func healed(image: Int64)

    /// Other views are shown now than before.
    ///
    /// - Parameters:
    ///   - gone: Names at the root that are not there any more, or are another directory.
    ///   - images: `instance.id` of those that may have another number of names now.
    func viewsChanged(gone: [String], images: Range<Int64>)

    /// Files of this volume are not to be used any more; `/incoming` may be elsewhere from now on.
    ///
    /// - Parameter volume: Its ordinal.
    func lost(volume: Int)
}
