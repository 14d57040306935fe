/// Anything that can tell the text of an indexed attribute: a header that was just
/// read, or a row of the index.
public protocol AttributeValues {
    /// The decoded text of the attribute, several values joined with `\`;
    /// an empty string when the element is present but empty, `nil` when it is absent.
    subscript(_ attribute: Attribute) -> String? { get }
}
