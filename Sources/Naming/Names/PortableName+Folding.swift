extension PortableName {
    /// The key that must be unique in a directory. Two names have the same key if a disk that
    /// ignores case could confuse them.
    ///
    /// It is the full case folding of Unicode, in normal form C: `STRASSE`, `straße` and
    /// `Straße` share a key, as on APFS and on ext4 with casefold, and so do `Σ`, `σ` and `ς`.
    /// NTFS and exFAT fold less, so some names get a suffix that they would not need there.
    /// The dotless `ı` stays apart from `i`, as on all of them; `İ` folds to `i̇`.
    public static func folded(_ name: String) -> String {
        if name.utf8.allSatisfy({ $0 < 0x80 }) { return name.lowercased() }
        // Lower, upper, lower: upper case expands letters that fold to several (ß, ﬁ) and unites
        // letters that share one upper case (ς and σ, ſ and s). The first step turns ẞ into ß,
        // which is not the lower case of SS otherwise. Only the dotless ı would get lost.
        let key = name.normalFormC.unicodeScalars
            .split(separator: "ı", omittingEmptySubsequences: false)
            .map { String($0).lowercased().uppercased().lowercased() }
            .joined(separator: "ı")
        return key.normalFormC
    }
}
