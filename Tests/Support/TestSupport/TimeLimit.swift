import Testing

extension Trait where Self == TimeLimitTrait {
    /// For tests that would hang where others fail. Swift Testing counts from when a test is put in
    /// the queue, after which the others of its process come first: no shorter limit says anything
    /// about one test.
    public static var mayNotHang: Self { .timeLimit(.minutes(30)) }
}
