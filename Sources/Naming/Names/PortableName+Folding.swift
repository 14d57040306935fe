extension PortableName {
    /// The key under which a name is unique in its directory: two names have the same key when
    /// a disk that ignores case could take one for the other.
    ///
    /// It is the full case folding of Unicode, in normal form C: `STRASSE`, `straße` and
    /// `Straße` share a key, as on APFS and on ext4 with casefold, and so do `Σ`, `σ` and `ς`.
    /// NTFS and exFAT fold less, so that a name gets a suffix there that it would not need.
    /// The dotless `ı` stays apart from `i`, as on all of them; `İ` folds to `i̇`.
    public static func folded(_ name: String) -> String {
        if name.utf8.allSatisfy({ $0 < 0x80 }) { return name.lowercased() }
        // Lower, upper, lower: the way through upper case expands what folds to several letters
        // (ß, ﬁ) and unites what has one upper case (ς and σ, ſ and s); the first step takes ẞ
        // to ß, which is not the lower case of SS otherwise. Only the dotless ı would get lost.
        let key = name.normalFormC.unicodeScalars
            .split(separator: "ı", omittingEmptySubsequences: false)
            .map { String($0).lowercased().uppercased().lowercased() }
            .joined(separator: "ı")
        return key.normalFormC
    }
}
