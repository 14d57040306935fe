/// Values of the indexed attributes: a header that was just read, or a row of the index.
public protocol AttributeValues {
    /// The decoded text of the attribute; several values are joined with `\`. Empty when the
    /// element is empty, `nil` when it is absent.
    subscript(_ attribute: Attribute) -> String? { get }
}
