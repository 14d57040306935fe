import DICOM

/// The day under which a study is shown.
public enum StudyDay {
    /// The first valid date of StudyDate, SeriesDate, AcquisitionDate and ContentDate, as
    /// `yyyy-MM-dd`; never the day on which the file was received. `nil` when there is none.
    public static func of(_ values: some AttributeValues) -> String? {
        let fallbacks: [Attribute] = [.studyDate, .seriesDate, .acquisitionDate, .contentDate]
        for attribute in fallbacks {
            guard let text = values[attribute]?.split(separator: "\\").first else { continue }
            if let date = CalendarDate(String(text)) { return DateFormat.standard.text(date) }
        }
        return nil
    }
}
