import DICOM

/// The day a study is filed under.
public enum StudyDay {
    /// `yyyy-MM-dd` of StudyDate, else SeriesDate, AcquisitionDate, ContentDate: the first
    /// that is a day of the calendar; never the day it was received. `nil` when there is none.
    public static func of(_ values: some AttributeValues) -> String? {
        let fallbacks: [Attribute] = [.studyDate, .seriesDate, .acquisitionDate, .contentDate]
        for attribute in fallbacks {
            guard let text = values[attribute]?.split(separator: "\\").first else { continue }
            if let date = CalendarDate(String(text)) { return DateFormat.standard.text(date) }
        }
        return nil
    }
}
